#include "graph/steps.hpp"

namespace octet {

void read_past_producer(Site& s) {
  const ValueId between = s.consumer().inputs[s.slot];
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, s.slot, s.producer().inputs[0]);
  if (s.ed.consumers(between).empty() && !s.ed.is_graph_output(between)) s.ed.remove(s.producer_id);
}

Status take_activation(Site& s, const Activation& act) {
  *activation_of(s.ed.edit(s.producer_id).attrs) = act;
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

std::optional<PaddedWindow> padded_window(const Site& s) {
  auto pad = pad_op(s.graph(), s.producer());
  const auto window = window_op(s.graph(), s.consumer());
  if (!pad || !window || s.slot != 0 || window->padding.kind != Padding::Kind::valid ||
      !pads_only_window_axes(*pad, *window))
    return std::nullopt;
  const bool ignored = s.consumer().kind == OpKind::MAX_POOL_2D
                           ? never_below(s.graph(), s.ed.producer(s.producer().inputs[0]), pad->fill)
                           : pad->fill == 0;
  if (!ignored) return std::nullopt;
  return PaddedWindow{std::move(*pad), *window};
}

bool is_convolution(const OpSpec& spec) {
  return spec.linear && spec.traits.has(Trait::windowed);
}

}  // namespace octet
