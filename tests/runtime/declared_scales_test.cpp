// A file may declare other scales than an operator's rule: what it declares is what is computed.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "octet/executor.hpp"
#include "schema/core/int_range.hpp"
#include "tests/support/case_model.hpp"

namespace octet::test {
namespace {

using Kind = TensorRule::Kind;

// Scale and zero point that no rule would give.
void make_odd(TensorDesc& t) {
  Affine a = t.quant.at();
  a.scale *= 1.3f;
  if (t.dtype != DType::int16) a.zero_point += a.zero_point > 0 ? -9 : 9;
  t.quant = Quantization::per_tensor(a);
}

// The case with one tensor at other scales; false when its rule names none.
bool make_input_odd(Prepared& p, const QuantRule& rule, size_t i) {
  if (p.in[i].absent || p.in[i].is_variable || p.in[i].quant.empty()) return false;
  const Kind kind = rule.input(i).kind;
  if (kind == Kind::bias) {  // not input times weights
    std::vector<Affine> params(p.in[i].quant.params().begin(), p.in[i].quant.params().end());
    for (Affine& a : params)
      a.scale *= 0.5f;
    p.in[i].quant = p.in[i].quant.is_per_channel() ? Quantization::per_channel(0, params)
                                                   : Quantization::per_tensor(params[0]);
    return true;
  }
  if (kind != Kind::same_as_output && kind != Kind::same_as_input) return false;
  make_odd(p.in[i]);
  return true;
}
bool make_output_odd(Prepared& p, const QuantRule& rule, size_t i) {
  const Kind kind = rule.output(i).kind;
  if (p.out[i].quant.empty() || (kind != Kind::same_as_input && kind != Kind::fixed)) return false;
  make_odd(p.out[i]);
  return true;
}

// The same as to_real(), with the scale of each channel.
std::vector<double> reals_of(const TensorDesc& t, const std::vector<std::byte>& bytes) {
  if (!t.quant.is_per_channel()) return to_real(t, bytes);
  std::vector<double> v = to_raw(t, bytes);
  const int axis = *t.quant.axis();
  const auto extent = static_cast<size_t>(t.shape[axis]);
  const auto inner = static_cast<size_t>(t.shape.elements(axis + 1, t.shape.rank()));
  for (size_t i = 0; i < v.size(); ++i) {
    const Affine& a = t.quant.at(i / inner % extent);
    v[i] = static_cast<double>(a.scale) * (v[i] - static_cast<double>(a.zero_point));
  }
  return v;
}

// The real outputs that the integers of the inputs stand for.
Values real_outputs(const OpCase& c, const Prepared& p) {
  OpCase real = c;
  for (size_t i = 0; i < p.in.size(); ++i)
    if (!p.in[i].absent && p.in[i].quant) {
      real.inputs[i].values = reals_of(p.in[i], p.bytes[i]);
      for (double& x : real.inputs[i].values)
        x = static_cast<double>(static_cast<float>(x));
    }
  const auto q = prepare(real, Form::float32);
  REQUIRE(q.ok());
  const auto out = run(*q, find_spec(c.kind)->reference, 1);
  REQUIRE_MESSAGE(out.ok(), out.status().message());
  Values values;
  for (size_t i = 0; i < out->size(); ++i)
    values.push_back(to_real(q->out[i], (*out)[i]));
  return values;
}

void check_outputs(const OpCase& c, const Prepared& p, Form form) {
  const Values want = real_outputs(c, p);
  const ModelData m = model_of(c, p, form);
  const auto plan = Plan::create(Model(std::make_shared<ModelData>(m)));
  REQUIRE_MESSAGE(plan.ok(), plan.status().message());
  auto e = Executor::create(*plan);
  REQUIRE(e.ok());
  std::vector<ConstTensorView> in;
  const auto bytes = inputs_of(m, p);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const Value& v = m.main().value(m.main().inputs[i]);
    in.push_back({bytes[i].data(), v.dtype, v.shape, v.quant});
  }
  REQUIRE(e->run(in).ok());
  for (size_t i = 0; i < p.out.size(); ++i) {
    const TensorDesc& t = p.out[i];
    if (t.quant.empty()) continue;
    const ConstTensorView view = e->output(i);
    const auto* data = static_cast<const std::byte*>(view.data);
    const std::vector<double> got = to_real(t, std::vector<std::byte>(data, data + view.bytes()));
    const auto s = static_cast<double>(t.quant.scale()), z = static_cast<double>(t.quant.zero_point());
    const IntRange range = range_of(t.dtype);
    // Two roundings, the second of steps as large as the input's.
    double bound = (c.int8_lsb + 1.5) * s;
    for (const TensorDesc& x : p.in)
      if (!x.absent && x.quant && !x.quant.is_per_channel())
        bound = std::max(bound, (c.int8_lsb + 1.5) * static_cast<double>(x.quant.scale()));
    REQUIRE(got.size() == want[i].size());
    double worst = 0;
    for (size_t k = 0; k < got.size(); ++k)
      worst =
          std::max(worst, std::fabs(got[k] - std::clamp(want[i][k], s * (static_cast<double>(range.lo) - z),
                                                        s * (static_cast<double>(range.hi) - z))));
    CHECK_MESSAGE(worst <= bound, fmt::format("output {} is {} off, {} steps", i, worst, worst / s));
  }
}

}  // namespace

TEST_CASE("declared scales are computed with") {
  int tried = 0;
  for (const OpCase& c : all_cases()) {
    const OpSpec& spec = *find_spec(c.kind);
    if (c.bench || !c.int8 || !spec.quant.has_int8) continue;
    for (const Form form : {Form::int8, Form::uint8, Form::int16}) {
      if (form == Form::uint8 && !c.uint8) continue;
      const auto p = prepare(c, form);
      if (!p.ok() || !run(*p, spec.reference, 1).ok()) continue;
      for (size_t i = 0; i < p->in.size() + p->out.size(); ++i) {
        Prepared odd = *p;
        const bool is_input = i < p->in.size();
        if (is_input ? !make_input_odd(odd, spec.quant, i)
                     : !make_output_odd(odd, spec.quant, i - p->in.size()))
          continue;
        ++tried;
        INFO(c.name << " as " << name_of(p->out[0].dtype) << ", " << (is_input ? "input " : "output ")
                    << (is_input ? i : i - p->in.size()));
        check_outputs(c, odd, form);
      }
    }
  }
  CHECK(tried > 300);
}

}  // namespace octet::test
