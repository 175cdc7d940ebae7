// Forms of operators (kernels/traits.hpp): the bounds of clamps, and where linear operators have their
// weights.
#include <algorithm>
#include <doctest/doctest.h>
#include <set>

#include "tests/kernels/trial.hpp"

namespace octet::test {

TEST_CASE("clamps limit to their bounds") {
  int seen = 0;
  for (const OpCase& c : all_cases()) {
    const auto& form = find_spec(c.kind)->clamp;
    if (!form || c.bench) continue;
    const auto t = Trial::of(c);
    REQUIRE(t);
    if (!t->is_float(0) || !t->floats_out()) continue;
    const auto x = to_real(t->p.in[0], t->p.bytes[0]), y = t->before();
    const bool has_operand = form->operand != ClampForm::Operand::none;
    if (has_operand && t->p.in[1].shape != t->p.in[0].shape) continue;
    if (y.size() != x.size()) continue;
    const auto c1 = has_operand ? to_real(t->p.in[1], t->p.bytes[1]) : std::vector<double>(x.size(), 0.0);
    for (size_t i = 0; i < x.size(); ++i) {
      const double lo = form->operand == ClampForm::Operand::lo ? c1[i] : static_cast<double>(form->lo);
      const double hi = form->operand == ClampForm::Operand::hi ? c1[i] : static_cast<double>(form->hi);
      CHECK(y[i] == std::min(std::max(x[i], lo), hi));
    }
    ++seen;
  }
  CHECK(seen >= 6);
}

// Twice the weights of an output channel give twice what it adds to the bias, and so do twice its inputs.
TEST_CASE("linear operators have their weights where their form says") {
  std::set<OpKind> seen;
  for (const OpCase& c : all_cases()) {
    const auto& form = find_spec(c.kind)->linear;
    if (!form || c.bench) continue;
    auto t = Trial::of(c);
    if (!t || !t->is_float(form->x) || !t->is_float(form->weights) || t->p.out.size() != 1) continue;
    const TensorDesc& w = t->p.in[form->weights];
    REQUIRE(w.shape.rank() == form->rank);
    const bool biased = t->p.node().has_input(form->bias);
    if (biased) t->change(form->bias, [](float, int64_t) { return 0.0f; });
    const auto plain = *t->outputs();
    const int64_t outs = w.shape[form->out_axis], inner = w.shape.elements(form->out_axis + 1, form->rank);
    REQUIRE(t->p.out[0].shape[-1] == outs);
    t->change(form->weights, [&](float v, int64_t i) { return i / inner % outs == outs - 1 ? 2 * v : v; });
    std::vector<double> wanted = plain;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (static_cast<int64_t>(i) % outs == outs - 1) wanted[i] *= 2;
    CHECK_MESSAGE(near(wanted, *t->outputs()), c.name);
    if (form->in_axis < 0 || w.shape[form->in_axis] != t->p.in[form->x].shape[-1]) continue;
    // An input channel that is doubled, and its weights halved.
    const int64_t ins = w.shape[form->in_axis], in_inner = w.shape.elements(form->in_axis + 1, form->rank);
    t->change(form->weights, [&](float v, int64_t i) { return i / in_inner % ins == ins - 1 ? v / 2 : v; });
    t->change(form->x, [&](float v, int64_t i) { return i % ins == ins - 1 ? 2 * v : v; });
    CHECK_MESSAGE(near(wanted, *t->outputs()), c.name);
    seen.insert(c.kind);
  }
  CHECK(seen.size() >= 5);
}

}  // namespace octet::test
