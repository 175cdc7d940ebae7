// One case of the conformance tables in float, with the fused activation taken off, to be run with other
// inputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "tests/support/op_case.hpp"

namespace octet::test {

using Bytes = std::vector<std::byte>;

struct Trial {
  Prepared p;
  std::vector<Bytes> y;

  static std::optional<Trial> of(const OpCase& c) {
    auto p = prepare(c, Form::float32);
    if (!p.ok()) return std::nullopt;
    Trial t{*std::move(p), {}};
    if (Activation* act = activation_of(t.p.attrs)) *act = Activation();
    if (!t.again(t.y)) return std::nullopt;
    return t;
  }
  bool again(std::vector<Bytes>& out) {
    // In a copy, constants are still seen in the original.
    for (size_t i = 0; i < p.in.size(); ++i)
      if (p.in[i].data != nullptr) p.in[i].data = p.bytes[i].data();
    auto r = run(p, find_spec(p.kind)->reference, 1);
    if (!r.ok()) return false;
    out = *std::move(r);
    return true;
  }
  std::vector<double> real(const std::vector<Bytes>& out, size_t i) const {
    return to_real(p.out[i], out[i]);
  }
  bool is_float(size_t i) const { return p.in[i].dtype == DType::float32 && !p.in[i].absent; }
  bool floats_out() const {
    return std::all_of(p.out.begin(), p.out.end(), [](const auto& t) { return t.dtype == DType::float32; });
  }
  template <class F>
  void change(size_t i, F f) {
    auto* x = reinterpret_cast<float*>(p.bytes[i].data());
    for (int64_t k = 0; k < p.in[i].elements(); ++k)
      x[k] = f(x[k], k);
  }
  // The outputs now, elements of one after the other; nothing when the operator refuses.
  std::optional<std::vector<double>> outputs() {
    std::vector<Bytes> out;
    if (!again(out)) return std::nullopt;
    return joined(out);
  }
  std::vector<double> before() const { return joined(y); }

 private:
  std::vector<double> joined(const std::vector<Bytes>& out) const {
    std::vector<double> all;
    for (size_t i = 0; i < out.size(); ++i) {
      const auto part = real(out, i);
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
};

inline bool near(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  double peak = 1e-6;
  for (double x : a)
    if (std::isfinite(x)) peak = std::max(peak, std::fabs(x));
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(a[i] - b[i]) <= 1e-4 * peak) && !(std::isnan(a[i]) && std::isnan(b[i])) && a[i] != b[i])
      return false;
  return true;
}

}  // namespace octet::test
