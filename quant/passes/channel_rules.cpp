// Before int8 quantization: arithmetic with a constant per channel that no convolution took in (a batch norm
// alone, in front of padding, between two additions) becomes a depthwise convolution of one pixel. Its
// weights are exact in 8 bits with a scale of their own, its bias has 32, and the result is rounded once; as
// MUL and ADD the constants would share one scale each and the value between them would be rounded as well.
// A quotient that is rounded down is one operator as well: a step to the wrong side would cost a whole unit.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "graph/affine_op.hpp"
#include "graph/emitter.hpp"
#include "graph/rewriter.hpp"
#include "quant/passes/round_once.hpp"

namespace octet {
namespace {

using enum OpKind;
// y = scale * x + shift, one number of each per slice of x along `axis`.
struct ChannelAffine {
  ValueId x = kNoValue;
  int axis = 0;
  std::vector<double> scale, shift;
};

// The axis of `x` along which a constant varies; -1 when it is a single number; nothing when it varies along
// several or does not fit.
std::optional<int> varying_axis(const Shape& constant, const Shape& x) {
  if (constant.rank() > x.rank()) return std::nullopt;
  int axis = -1;
  for (int i = 1; i <= constant.rank(); ++i) {
    if (constant[-i] == 1) continue;
    if (axis >= 0 || constant[-i] != x[-i]) return std::nullopt;
    axis = x.rank() - i;
  }
  return axis;
}

std::vector<double> spread(const std::vector<double>& v, int64_t channels) {
  return v.size() == 1 ? std::vector<double>(static_cast<size_t>(channels), v[0]) : v;
}

// What node `n` computes, when its other operand varies along one axis.
std::optional<ChannelAffine> channel_affine(const Graph& g, const Node& n) {
  const auto a = affine_op(g, n);
  if (!a) return std::nullopt;
  const Value &x = g.value(n.inputs[a->x_slot]), &y = g.value(n.outputs[0]);
  if (!x.has_rank || x.shape.rank() < 2 || x.shape != y.shape || y.dtype != DType::float32)
    return std::nullopt;
  const auto axis = varying_axis(a->shape, x.shape);
  if (!axis) return std::nullopt;
  return ChannelAffine{n.inputs[a->x_slot], *axis, a->scale, a->shift};
}

// The form of x in which the channels are the last of four axes.
bool has_form(const Value& x, int axis) {
  const int rank = x.shape.rank();
  if (x.shape[axis] < 1 || x.shape.elements() == 0) return false;
  // The target of a RESHAPE holds the current extents.
  const bool dynamic =
      std::any_of(x.shape_signature.begin(), x.shape_signature.end(), [](int32_t e) { return e < 0; });
  return !dynamic || (rank == 4 && axis == 3);
}

void emit(Site& s, const ChannelAffine& a, Activation act) {
  Emitter e(s);
  if (s.ed.is_marked(s.consumer_id)) e.mark();
  const Shape shape = s.value(a.x).shape;
  const int rank = shape.rank();
  const int32_t channels = shape[a.axis];
  const ValueId y = s.consumer().outputs[0];
  s.ed.remove(s.consumer_id);

  std::vector<int32_t> order(static_cast<size_t>(rank)), back(order);
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin() + a.axis, order.begin() + a.axis + 1, order.end());
  Shape last = Shape::of_rank(rank);
  for (int i = 0; i < rank; ++i) {
    last[i] = shape[order[static_cast<size_t>(i)]];
    back[static_cast<size_t>(order[static_cast<size_t>(i)])] = i;
  }
  const bool turned = a.axis != rank - 1, reshaped = rank != 4;
  const Shape flat{1, 1, static_cast<int32_t>(shape.elements() / channels), channels};
  const auto extents = [](const Shape& t) {
    std::vector<int32_t> v;
    for (int i = 0; i < t.rank(); ++i)
      v.push_back(t[i]);
    return v;
  };

  ValueId v = a.x;
  if (turned) {
    const ValueId t = e.add_value("channels_last", DType::float32, last);
    e.op(TRANSPOSE, NoAttrs{}, {v, e.ints("order", order)}, {t});
    v = t;
  }
  if (reshaped) {
    const ValueId t = e.add_value("pixels", DType::float32, flat);
    e.op(RESHAPE, ReshapeAttrs{extents(flat), true}, {v, e.ints("shape", extents(flat))}, {t});
    v = t;
  }
  std::vector<float> w, b;
  for (double x : spread(a.scale, channels))
    w.push_back(static_cast<float>(x));
  for (double x : spread(a.shift, channels))
    b.push_back(static_cast<float>(x));
  DepthwiseConv2DAttrs attrs;
  attrs.padding = Padding(Padding::Kind::valid);
  attrs.act = act;
  const std::vector<ValueId> inputs = {v, e.floats("scale", Shape{1, 1, 1, channels}, w),
                                       e.floats("shift", Shape{channels}, b)};
  v = !turned && !reshaped ? y : e.add_value("scaled", DType::float32, reshaped ? flat : last);
  e.op(DEPTHWISE_CONV_2D, attrs, inputs, {v});
  if (reshaped) {
    const ValueId t = turned ? e.add_value("axes", DType::float32, last) : y;
    e.op(RESHAPE, ReshapeAttrs{extents(last), true}, {v, e.ints("shape", extents(last))}, {t});
    v = t;
  }
  if (turned) e.op(TRANSPOSE, NoAttrs{}, {v, e.ints("order", back)}, {y});
}

bool finite(const ChannelAffine& a) {
  const auto fits = [](double v) { return std::isfinite(static_cast<float>(v)); };
  return std::all_of(a.scale.begin(), a.scale.end(), fits) &&
         std::all_of(a.shift.begin(), a.shift.end(), fits);
}

// --- scale, then shift ---

std::optional<ChannelAffine> pair_of(const Site& s) {
  const auto first = channel_affine(s.graph(), s.producer());
  const auto second = channel_affine(s.graph(), s.consumer());
  if (!first || !second || second->x != s.consumer().inputs[s.slot]) return std::nullopt;
  if (!activation_of(s.producer().attrs)->none()) return std::nullopt;
  if (first->axis >= 0 && second->axis >= 0 && first->axis != second->axis) return std::nullopt;
  ChannelAffine a{first->x, std::max(first->axis, second->axis), {}, {}};
  const Value& x = s.value(a.x);
  if (a.axis < 0) a.axis = x.shape.rank() - 1;
  if (!has_form(x, a.axis)) return std::nullopt;
  const int64_t channels = x.shape[a.axis];
  a.scale = spread(first->scale, channels);
  a.shift = spread(first->shift, channels);
  const std::vector<double> scale = spread(second->scale, channels), shift = spread(second->shift, channels);
  for (size_t c = 0; c < a.scale.size(); ++c) {
    a.shift[c] = a.shift[c] * scale[c] + shift[c];
    a.scale[c] *= scale[c];
  }
  return finite(a) ? std::optional(a) : std::nullopt;
}
Status merge_pair(Site& s, const ChannelAffine& a) {
  const Activation act = *activation_of(s.consumer().attrs);
  s.ed.add_origins(s.consumer_id, s.producer_id);
  const NodeId producer = s.producer_id;
  emit(s, a, act);
  s.ed.remove(producer);
  return {};
}

// --- one of them alone ---

std::optional<ChannelAffine> alone(const Site& s) {
  auto a = channel_affine(s.graph(), s.consumer());
  return a && a->axis >= 0 && finite(*a) && has_form(s.value(a->x), a->axis) ? a : std::nullopt;
}
Status replace(Site& s, const ChannelAffine& a) {
  const Activation act = *activation_of(s.consumer().attrs);
  emit(s, a, act);
  return {};
}

// --- an average, then a scale ---

// Averages share the input's scale, which is too coarse for them as a rule; the window's weights can hold the
// factor as well.
std::optional<ChannelAffine> scaled_average(const Site& s) {
  const auto& pool = std::get<Pool2DAttrs>(s.producer().attrs);
  auto a = channel_affine(s.graph(), s.consumer());
  constexpr int64_t kMaxTaps = 64;  // a depthwise convolution of a large window is slow
  const bool fits = pool.act.none() && pool.padding.kind == Padding::Kind::valid && a && finite(*a) &&
                    a->x == s.consumer().inputs[s.slot] && (a->axis < 0 || a->axis == 3) &&
                    std::all_of(a->shift.begin(), a->shift.end(), [](double v) { return v == 0; }) &&
                    int64_t{pool.filter_h} * pool.filter_w <= kMaxTaps;
  return fits ? a : std::nullopt;
}
Status average_by_weights(Site& s, const ChannelAffine& a) {
  const auto pool = std::get<Pool2DAttrs>(s.producer().attrs);
  const ValueId x = s.producer().inputs[0], y = s.consumer().outputs[0];
  const int32_t channels = s.output().shape[3];
  DepthwiseConv2DAttrs attrs;
  attrs.padding = pool.padding;
  attrs.stride_h = pool.stride_h;
  attrs.stride_w = pool.stride_w;
  attrs.act = *activation_of(s.consumer().attrs);
  const auto taps = static_cast<size_t>(pool.filter_h) * static_cast<size_t>(pool.filter_w);
  std::vector<float> w;
  for (size_t t = 0; t < taps; ++t)
    for (double v : spread(a.scale, channels))
      w.push_back(static_cast<float>(v / static_cast<double>(taps)));
  s.ed.add_origins(s.consumer_id, s.producer_id);
  Emitter e(s);
  const ValueId weights = e.floats("weights", Shape{1, pool.filter_h, pool.filter_w, channels}, w);
  const ValueId bias =
      e.floats("bias", Shape{channels}, std::vector<float>(static_cast<size_t>(channels), 0.0f));
  const NodeId producer = s.producer_id;
  s.ed.remove(s.consumer_id);
  s.ed.remove(producer);
  e.op(DEPTHWISE_CONV_2D, attrs, {x, weights, bias}, {y});
  return {};
}

// --- quotients ---

bool is_plain_quotient(const Site& s) {
  return activation_of(s.producer().attrs)->none();
}
Status divide_down(Site& s) {
  const NodeId n = s.ed.absorb(s.producer_id, s.consumer_id);
  s.ed.become(n, FLOOR_DIV, NoAttrs{});
  return {};
}

constexpr Rule kChannelRules[] = {
    {.name = "average, then scale",
     .picture = "AVERAGE_POOL_2D(valid) -> MUL|DIV(const) => DEPTHWISE_CONV_2D",
     .producers = {AVERAGE_POOL_2D},
     .consumers = Trait::scales,
     .rewrite = rewrite_by<scaled_average, average_by_weights>},
    {.name = "floor of a quotient",
     .picture = "DIV -> FLOOR => FLOOR_DIV",
     .producers = {DIV},
     .consumers = {FLOOR},
     .rewrite = rewrite_by<is_plain_quotient, divide_down>},
    {.name = "batch norm",
     .picture = "MUL|DIV(const) -> ADD|SUB(const) => DEPTHWISE_CONV_2D",
     .producers = Trait::scales,
     .consumers = Trait::shifts,
     .rewrite = rewrite_by<pair_of, merge_pair>},
    {.name = "per-channel constant",
     .picture = "MUL|DIV|ADD|SUB(const per channel) => DEPTHWISE_CONV_2D",
     .consumers = is_affine,
     .rewrite = rewrite_by<alone, replace>},
};

}  // namespace

std::span<const Rule> channel_rules() {
  return kChannelRules;
}

}  // namespace octet
