// Arithmetic and activations behind the CONCATENATION of several linear operators (a grouped convolution, as
// converters spell it) folded into each of them.
#include <algorithm>

#include "graph/affine_op.hpp"
#include "graph/linear_op.hpp"
#include "graph/rule.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// The operators whose outputs are joined, when nothing else reads them.
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
  if (!nodes || !a || a->x_slot != s.slot || !activation_of(s.consumer().attrs)->none() || !joined.has_rank ||
      joined.shape != s.output().shape)
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

Status distribute(Site& s, const std::vector<Share>& parts) {
  for (const Share& share : parts) {
    OCTET_TRY(scale_and_shift_output(s.ed, share.node, share.scale, share.shift));
    s.ed.add_origins(share.node, s.consumer_id);
  }
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

struct Activated {
  NodeId node;
  Activation act;
};
std::optional<std::vector<Activated>> activated_branches(const Site& s) {
  const auto nodes = branches(s);
  const auto c = clamp_op(s.graph(), s.consumer());
  if (!nodes || !c || c->x_slot != s.slot) return std::nullopt;
  std::vector<Activated> all;
  for (NodeId n : *nodes) {
    const auto act = tighten(*activation_of(s.ed.node(n).attrs), c->lo, c->hi);
    if (!act) return std::nullopt;
    all.push_back({n, *act});
  }
  return all;
}

Status activate_branches(Site& s, const std::vector<Activated>& all) {
  for (const Activated& a : all) {
    *activation_of(s.ed.edit(a.node).attrs) = a.act;
    s.ed.add_origins(a.node, s.consumer_id);
  }
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

constexpr Rule kBranchRules[] = {
    {.name = "arithmetic into branches",
     .picture = "CONV... -> CONCATENATION -> MUL|ADD(const) => CONV... -> CONCATENATION",
     .producers = {OpKind::CONCATENATION},
     .consumers = is_affine,
     .rewrite = rewrite_by<shares, distribute>},
    {.name = "activation into branches",
     .picture = "CONV... -> CONCATENATION -> RELU => CONV(RELU)... -> CONCATENATION",
     .producers = {OpKind::CONCATENATION},
     .consumers = is_clamp,
     .rewrite = rewrite_by<activated_branches, activate_branches>},
};

}  // namespace

std::span<const Rule> branch_rules() {
  return kBranchRules;
}

}  // namespace octet
