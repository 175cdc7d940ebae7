// IF, WHILE, CALL_ONCE. The executor runs them itself (runtime/control_flow.cpp): they involve other graphs.
#include "kernels/op_spec.hpp"

namespace octet {
namespace {

// IF and WHILE: the shapes are those the called graphs give, known when they have run.
Result<InferredShapes> infer_at_run_time(const NodeDesc&) {
  return InferredShapes::later();
}
Result<InferredShapes> infer_nothing(const NodeDesc&) {
  return InferredShapes{};
}

constexpr std::string_view kWhy = "control flow, which the executor does itself";

}  // namespace

const OpSpec& spec_IF() {
  static const OpSpec spec{.kind = OpKind::IF,
                           .traits = Trait::stateful,
                           .inputs = {1, -1},
                           .outputs = {0, -1},
                           .infer = infer_at_run_time,
                           .quant = QuantRule::none(kWhy)};
  return spec;
}

const OpSpec& spec_WHILE() {
  static const OpSpec spec{.kind = OpKind::WHILE,
                           .traits = Trait::stateful,
                           .inputs = {1, -1},
                           .outputs = {1, -1},
                           .infer = infer_at_run_time,
                           .quant = QuantRule::none(kWhy)};
  return spec;
}

const OpSpec& spec_CALL_ONCE() {
  static const OpSpec spec{.kind = OpKind::CALL_ONCE,
                           .traits = Trait::stateful,
                           .inputs = {0, 0},
                           .outputs = {0, 0},
                           .infer = infer_nothing,
                           .quant = QuantRule::none(kWhy)};
  return spec;
}

}  // namespace octet
