// Arithmetic and activations behind the CONCATENATION of several linear operators (a grouped convolution, as
// converters spell it) folded into each of them.
#include <algorithm>
#include <array>

#include "graph/affine_op.hpp"
#include "graph/linear_op.hpp"
#include "graph/rule.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kConcat = {CONCATENATION};
constexpr std::array kArithmetic = {ADD, SUB, MUL, DIV};
constexpr std::array kClamps = {RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1, MINIMUM, MAXIMUM};

// The operators whose outputs are joined, when nobody else reads them.
std::optional<std::vector<NodeId>> branches(const Site& s) {
  const Node& concat = s.producer();
  if (!std::get<ConcatAttrs>(concat.attrs).act.none()) return std::nullopt;
  std::vector<NodeId> nodes;
  for (ValueId v : concat.inputs) {
    if (!s.ed.is_exclusive(v) || s.ed.producer(v) < 0) return std::nullopt;
    nodes.push_back(s.ed.producer(v));
    if (!LinearOp::of(s.graph(), s.ed.node(nodes.back()))) return std::nullopt;
  }
  return nodes;
}

struct Share {
  NodeId node;
  std::vector<double> scale, shift;
};
std::optional<std::vector<Share>> shares(const Site& s) {
  const auto nodes = branches(s);
  const auto a = affine_op(s.graph(), s.consumer());
  const Value& joined = s.between();
  if (!nodes || !a || a->x_slot != s.slot || !joined.has_rank || joined.shape != s.output().shape)
    return std::nullopt;
  const int rank = joined.shape.rank();
  const auto axis = normalize_axis(std::get<ConcatAttrs>(s.producer().attrs).axis, rank);
  if (!axis || *axis != rank - 1) return std::nullopt;
  int64_t channels = 0;
  for (NodeId n : *nodes)
    channels += LinearOp::of(s.graph(), s.ed.node(n))->out_channels();
  const auto scale = per_channel(a->scale, a->shape, rank, channels);
  const auto shift = per_channel(a->shift, a->shape, rank, channels);
  if (!scale || !shift) return std::nullopt;
  std::vector<Share> all;
  ptrdiff_t at = 0;
  for (NodeId n : *nodes) {
    const auto count = static_cast<ptrdiff_t>(LinearOp::of(s.graph(), s.ed.node(n))->out_channels());
    Share share{n,
                {scale->begin() + at, scale->begin() + at + count},
                {shift->begin() + at, shift->begin() + at + count}};
    if (!activation_of(s.ed.node(n).attrs)->none() ||
        !can_scale_and_shift_output(s.graph(), s.ed.node(n), share.scale, share.shift))
      return std::nullopt;
    all.push_back(std::move(share));
    at += count;
  }
  return all;
}

bool can_distribute(const Site& s) {
  return activation_of(s.consumer().attrs)->none() && shares(s).has_value();
}

Status distribute(Site& s) {
  const std::vector<Share> parts = *shares(s);
  for (const Share& share : parts) {
    OCTET_TRY(scale_and_shift_output(s.ed, share.node, share.scale, share.shift));
    s.ed.add_origins(share.node, s.consumer_id);
  }
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

bool can_activate(const Site& s) {
  const auto nodes = branches(s);
  const auto c = clamp_op(s.graph(), s.consumer());
  return nodes && c && c->x_slot == s.slot && std::all_of(nodes->begin(), nodes->end(), [&](NodeId n) {
           return tighten(*activation_of(s.ed.node(n).attrs), c->lo, c->hi).has_value();
         });
}

Status activate(Site& s) {
  const auto c = clamp_op(s.graph(), s.consumer());
  const std::vector<NodeId> nodes = *branches(s);
  for (NodeId n : nodes) {
    Activation& act = *activation_of(s.ed.edit(n).attrs);
    act = *tighten(act, c->lo, c->hi);
    s.ed.add_origins(n, s.consumer_id);
  }
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

constexpr Rule kRules[] = {
    {"arithmetic into branches", "CONV... -> CONCATENATION -> MUL|ADD(const) => CONV... -> CONCATENATION",
     kConcat, kArithmetic, can_distribute, distribute},
    {"activation into branches", "CONV... -> CONCATENATION -> RELU => CONV(RELU)... -> CONCATENATION",
     kConcat, kClamps, can_activate, activate},
};

}  // namespace

std::span<const Rule> branch_rules() {
  return kRules;
}

}  // namespace octet
