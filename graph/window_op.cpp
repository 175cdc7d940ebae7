#include "graph/window_op.hpp"

#include <algorithm>
#include <limits>

#include "graph/affine_op.hpp"
#include "kernels/infer.hpp"
#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

// What PADV2 fills with, as a real number.
std::optional<double> fill_of(const Value& v, const Value& x) {
  if (!v.is_constant() || v.shape.elements() != 1) return std::nullopt;
  if (v.dtype == DType::float32) return static_cast<double>(v.constant.as<float>()[0]);
  if (!x.quant || x.quant.is_per_channel() || x.dtype != v.dtype) return std::nullopt;
  int64_t q = 0;
  if (v.dtype == DType::int8)
    q = v.constant.as<int8_t>()[0];
  else if (v.dtype == DType::uint8)
    q = v.constant.as<uint8_t>()[0];
  else
    return std::nullopt;
  if (q == range_of(v.dtype).lo) return -std::numeric_limits<double>::infinity();
  return static_cast<double>(x.quant.scale()) * static_cast<double>(q - x.quant.zero_point());
}

}  // namespace

bool PadOp::is_noop() const {
  return std::all_of(amounts.begin(), amounts.end(), [](auto a) { return a.first == 0 && a.second == 0; });
}

std::optional<PadOp> pad_op(const Graph& g, const Node& n) {
  if ((n.kind != OpKind::PAD && n.kind != OpKind::PADV2) || n.inputs.size() < 2) return std::nullopt;
  const Value& x = g.value(n.inputs[0]);
  const auto amounts = ints_of(g.value(n.inputs[1]));
  if (!amounts || !x.has_rank || amounts->size() != 2 * static_cast<size_t>(x.shape.rank()))
    return std::nullopt;
  PadOp pad;
  for (size_t i = 0; i < amounts->size(); i += 2) {
    if ((*amounts)[i] < 0 || (*amounts)[i + 1] < 0) return std::nullopt;
    pad.amounts.emplace_back((*amounts)[i], (*amounts)[i + 1]);
  }
  if (n.kind == OpKind::PADV2) {
    if (n.inputs.size() < 3 || n.inputs[2] == kNoValue) return std::nullopt;
    const auto fill = fill_of(g.value(n.inputs[2]), x);
    if (!fill) return std::nullopt;
    pad.fill = *fill;
  }
  // An integer PAD copies integers: it is padding only when they mean the same on both sides.
  if (x.quant != g.value(n.outputs[0]).quant) return std::nullopt;
  return pad;
}

std::optional<WindowOp> window_op(const Graph& g, const Node& n) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || !spec->traits.has(Trait::windowed)) return std::nullopt;
  WindowOp w;
  std::visit(
      [&](const auto& a) {
        if constexpr (requires { a.padding; }) w.padding = a.padding;
        if constexpr (requires { a.stride_d; }) {
          w.axes = 3;
          w.stride = {a.stride_d, a.stride_h, a.stride_w};
          w.dilation = {a.dilation_d, a.dilation_h, a.dilation_w};
        } else if constexpr (requires { a.stride_h; }) {
          w.stride = {a.stride_h, a.stride_w, 1};
          if constexpr (requires { a.dilation_h; }) w.dilation = {a.dilation_h, a.dilation_w, 1};
          if constexpr (requires { a.filter_h; }) w.filter = {a.filter_h, a.filter_w, 1};
        }
      },
      n.attrs);
  if (!spec->linear) return w;
  const LinearForm& form = *spec->linear;
  const ValueId weights = n.input(form.weights);
  if (weights == kNoValue || g.value(weights).shape.rank() != form.rank) return std::nullopt;
  // The window's axes lie together; that of output channels is in front of them or behind.
  const int first = form.out_axis == 0 || form.in_axis < 0 ? 1 : 0;
  for (int i = 0; i < w.axes; ++i)
    w.filter[static_cast<size_t>(i)] = g.value(weights).shape[first + i];
  return w;
}

bool pads_only_window_axes(const PadOp& pad, const WindowOp& window) {
  constexpr std::pair<int64_t, int64_t> kNone{0, 0};
  return pad.amounts.size() == static_cast<size_t>(window.axes) + 2 && pad.amounts.front() == kNone &&
         pad.amounts.back() == kNone;
}

bool same_padding_equals(const Value& x, const Value& y, const PadOp& pad, const WindowOp& window) {
  if (!x.has_rank || !y.has_rank || x.shape.rank() != window.axes + 2 || y.shape.rank() != x.shape.rank())
    return false;
  for (int i = 0; i < window.axes; ++i) {
    const auto k = static_cast<size_t>(i);
    const bool dynamic = static_cast<int>(x.shape_signature.size()) > i + 1 && x.shape_signature[k + 1] < 0;
    if (dynamic && window.stride[k] != 1) return false;
    const auto same = window_axis(x.shape[i + 1], window.filter[k], window.stride[k], window.dilation[k],
                                  Padding::Kind::same, 0, 0);
    // Rows behind the last window do not matter; the output's extent tells how many there are.
    if (!same.ok() || same->pad_before != pad.amounts[k + 1].first || same->out != y.shape[i + 1] ||
        (window.stride[k] == 1 && same->pad_after != pad.amounts[k + 1].second))
      return false;
  }
  return true;
}

bool never_below(const Graph& g, NodeId producer, double fill) {
  constexpr double kLowest = -1e30;  // converters write -FLT_MAX, or what is left of it in another type
  if (fill <= kLowest) return true;
  if (producer < 0) return false;
  const Node& n = g.nodes[static_cast<size_t>(producer)];
  if (const auto c = clamp_op(g, n)) return fill <= static_cast<double>(c->lo);
  const Activation* act = activation_of(n.attrs);
  return act != nullptr && act->kind != Activation::Kind::tanh && act->kind != Activation::Kind::sign_bit &&
         fill <= static_cast<double>(range_of(*act).lo);
}

void set_padding(Node& n, const Padding& padding) {
  std::visit(
      [&](auto& a) {
        if constexpr (requires { a.padding; }) a.padding = padding;
      },
      n.attrs);
}

}  // namespace octet
