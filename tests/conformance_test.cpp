// Every row of every case table, in every numeric form, on every implementation.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "schema/core/int_range.hpp"
#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

struct Difference {
  double worst = 0;
  size_t at = 0;
};
Difference difference(const std::vector<double>& a, const std::vector<double>& b) {
  Difference d;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double x = std::fabs(a[i] - b[i]);
    if (!(x <= d.worst)) d = {std::isnan(x) ? INFINITY : x, i};
  }
  return d;
}
double peak(const std::vector<double>& v) {
  double m = 0;
  for (double x : v)
    if (std::isfinite(x)) m = std::max(m, std::fabs(x));
  return m;
}

void check_form(const OpCase& c, Form form) {
  const OpSpec& spec = *find_spec(c.kind);
  auto prepared = prepare(c, form);
  REQUIRE_MESSAGE(prepared.ok(), prepared.status().message());
  const Prepared& p = *prepared;
  if (form == Form::int16) {
    ThreadPool pool(1);
    if (!spec.reference.create(p.node(), pool).ok()) return;
  }
  auto reference = run(p, spec.reference, 1);
  REQUIRE_MESSAGE(reference.ok(), reference.status().message());
  if (c.oracle) {
    const Values expect = c.oracle(p.node(), p.real);
    REQUIRE(expect.size() == p.out.size());
    for (size_t i = 0; i < expect.size(); ++i) {
      const std::vector<double> got = to_real(p.out[i], (*reference)[i]);
      REQUIRE(expect[i].size() == got.size());
      std::vector<double> want = expect[i];
      double bound = 1e-5 * std::max(peak(want), 1e-3);
      if (p.out[i].quant) {
        const double s = p.out[i].quant.scale(), z = p.out[i].quant.zero_point();
        const IntRange r = range_of(p.out[i].dtype);
        for (double& x : want)
          x = std::clamp(x, s * (static_cast<double>(r.lo) - z), s * (static_cast<double>(r.hi) - z));
        // Steps of 16 bits are so small that float arithmetic inside (positions of a resize) shows.
        bound = (c.int8_lsb + 0.5) * s * 1.0001 + (form == Form::int16 ? 1e-5 * peak(want) : 0);
      } else if (!is_float(p.out[i].dtype)) {
        bound = 0;
      }
      const Difference d = difference(got, want);
      CHECK_MESSAGE(d.worst <= bound,
                    fmt::format("reference, output {}: element {} is {}, expected {}, bound {}", i, d.at,
                                got[d.at], want[d.at], bound));
    }
  }
  for (const Implementation& impl : spec.fast) {
    for (int threads : {1, 2}) {
      auto fast = run(p, impl, threads);
      if (!fast.ok()) {
        CHECK_MESSAGE(fast.status().code() == Code::declined, fast.status().message());
        continue;
      }
      for (size_t i = 0; i < p.out.size(); ++i) {
        const auto a = to_raw(p.out[i], (*fast)[i]), b = to_raw(p.out[i], (*reference)[i]);
        // Booleans, indices and counts have no step they could be off by.
        const double bound = is_float(p.out[i].dtype) ? 1e-5 * std::max(peak(b), 1e-3)
                             : p.out[i].quant         ? 1.0
                                                      : 0.0;
        const Difference d = difference(a, b);
        CHECK_MESSAGE(d.worst <= bound,
                      fmt::format("{} ({} threads), output {}: element {} is {}, reference {}", impl.name,
                                  threads, i, d.at, a[d.at], b[d.at]));
      }
    }
  }
}

}  // namespace

TEST_CASE("operators conform") {
  // Emulation of a second CPU model: the cases of real size, four fifths of the time, ran for the first one.
  const bool small_only = std::getenv("OCTET_SMALL_CASES") != nullptr;
  static const std::vector<OpCase> cases = all_cases();  // doctest enters once per case
  for (const OpCase& c : cases) {
    if (small_only && c.bench) continue;
    SUBCASE(c.name.c_str()) {
      const OpSpec& spec = *find_spec(c.kind);
      bool is_real = false;
      for (const CaseTensor& t : c.inputs)
        is_real = is_real || (!t.absent && t.dtype == DType::float32);
      {
        INFO(c.name << " float32");
        check_form(c, Form::float32);
      }
      if (c.int8 && is_real && spec.quant.has_int8) {
        INFO(c.name << " int8");
        check_form(c, Form::int8);
      }
      if (c.int8 && is_real && spec.quant.has_int8) {
        INFO(c.name << " int16");
        check_form(c, Form::int16);
      }
      if (c.uint8 && is_real && spec.quant.has_int8) {
        INFO(c.name << " uint8");
        check_form(c, Form::uint8);
      }
      auto p = prepare(c, Form::float32);
      REQUIRE(p.ok());
      std::vector<TensorDesc> fewer(p->in.begin(), p->in.end());
      while (static_cast<int>(fewer.size()) >= std::max(1, spec.inputs.min))
        fewer.pop_back();
      if (static_cast<int>(fewer.size()) < spec.inputs.min) {
        NodeDesc n{p->kind, &p->attrs, fewer, p->out};
        CHECK(!infer_shapes(spec, n).ok());
      }
      if (spec.inputs.max >= 0) {
        std::vector<TensorDesc> more(p->in.begin(), p->in.end());
        while (static_cast<int>(more.size()) <= spec.inputs.max)
          more.push_back(more.back());
        NodeDesc n{p->kind, &p->attrs, more, p->out};
        CHECK(!infer_shapes(spec, n).ok());
      }
    }
  }
}

}  // namespace octet::test
