// Circle's own operators. Oracles are the formulas, element by element, in double.
#include <algorithm>
#include <cmath>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

double value_of(const std::vector<double>& v, size_t i, double otherwise) {
  return v.empty() ? otherwise : v[v.size() == 1 ? 0 : i];
}

double activate(const Activation& act, double y) {
  return act.kind == Activation::Kind::relu    ? std::max(y, 0.0)
         : act.kind == Activation::Kind::relu6 ? std::min(std::max(y, 0.0), 6.0)
                                               : y;
}

Values instance_norm(const NodeDesc& n, const Values& in) {
  const auto& attr = n.attr<InstanceNormAttrs>();
  const Shape& s = n.in[0].shape;
  const bool last = s.rank() == 4;
  const auto batches = static_cast<size_t>(s[0]), channels = static_cast<size_t>(s[last ? 3 : 1]);
  const size_t size = in[0].size() / batches / channels;
  std::vector<double> out(in[0].size());
  for (size_t b = 0; b < batches; ++b)
    for (size_t c = 0; c < channels; ++c) {
      auto at = [&](size_t i) {
        return last ? (b * size + i) * channels + c : (b * channels + c) * size + i;
      };
      double mean = 0, variance = 0;
      for (size_t i = 0; i < size; ++i)
        mean += in[0][at(i)] / static_cast<double>(size);
      for (size_t i = 0; i < size; ++i)
        variance += std::pow(in[0][at(i)] - mean, 2) / static_cast<double>(size);
      const double deviation = std::sqrt(variance + static_cast<double>(attr.epsilon));
      for (size_t i = 0; i < size; ++i)
        out[at(i)] = activate(
            attr.act, (in[0][at(i)] - mean) / deviation * value_of(in[1], c, 1) + value_of(in[2], c, 0));
    }
  return {out};
}

OpCase instance_case(std::string name, Shape x, int32_t terms, Activation act = {}, double lo = -2,
                     double hi = 3) {
  OpCase c{.name = std::move(name), .kind = OpKind::INSTANCE_NORM, .uint8 = true};
  c.attrs = InstanceNormAttrs{.epsilon = 1e-5f, .act = act};
  c.inputs = {random_tensor(x, lo, hi), random_constant({terms}, 0.5, 2), random_constant({terms})};
  c.oracle = instance_norm;
  return c;
}

void instance_norms(std::vector<OpCase>& t) {
  t.push_back(instance_case("NHWC", {2, 5, 7, 3}, 3));
  t.push_back(instance_case("one gamma and beta", {1, 4, 4, 5}, 1));
  t.push_back(instance_case("channels in several blocks", {1, 6, 5, 71}, 71));
  t.push_back(instance_case("relu6", {2, 4, 4, 8}, 8, Activation::Kind::relu6));
  t.push_back(instance_case("N, C, D", {2, 3, 11}, 3, Activation::Kind::relu));
  t.push_back(instance_case("N, C, D with one gamma", {1, 4, 9}, 1));
  t.push_back(instance_case("far from zero", {1, 9, 9, 4}, 4, {}, 1000, 1001));
  t.back().int8 = t.back().uint8 = false;  // less than one step of a scale that holds 0
  t.push_back(instance_case("more pixels than 32-bit sums of squares hold", {1, 190, 190, 2}, 2));
  t.push_back(instance_case("64x64x32", {1, 64, 64, 32}, 32));
  t.back().bench = true;
  OpCase flat = instance_case("one pixel", {1, 1, 1, 6}, 6);  // no variance: beta remains
  t.push_back(std::move(flat));
}

Values rms_norm(const NodeDesc& n, const Values& in) {
  const auto length = static_cast<size_t>(n.in[0].shape[-1]);
  std::vector<double> out(in[0].size());
  for (size_t r = 0; r < in[0].size(); r += length) {
    double squares = 0;
    for (size_t i = 0; i < length; ++i)
      squares += in[0][r + i] * in[0][r + i];
    const double root = std::sqrt(squares / static_cast<double>(length) +
                                  static_cast<double>(n.attr<RmsNormAttrs>().epsilon));
    for (size_t i = 0; i < length; ++i)
      out[r + i] = in[0][r + i] / root * value_of(in[1], i, 1) +
                   value_of(in.size() > 2 ? in[2] : std::vector<double>(), i, 0);
  }
  return {out};
}

OpCase rms_case(std::string name, Shape x, int32_t gamma, int32_t beta = 0) {
  OpCase c{.name = std::move(name), .kind = OpKind::RMS_NORM, .uint8 = true};
  c.attrs = RmsNormAttrs{.epsilon = 1e-4f};
  c.inputs = {random_tensor(x, -2, 3), random_constant({gamma}, 0.5, 2)};
  if (beta > 0) c.inputs.push_back(random_constant({beta}));
  c.oracle = rms_norm;
  return c;
}

void rms_norms(std::vector<OpCase>& t) {
  t.push_back(rms_case("three axes", {2, 3, 16}, 16));
  t.push_back(rms_case("four axes", {1, 4, 3, 5}, 5));
  t.push_back(rms_case("one gamma", {1, 3, 7}, 1));
  t.push_back(rms_case("with beta, as in older files", {1, 3, 3, 4}, 4, 4));
  t.push_back(rms_case("one row", {33}, 33));
  t.push_back(rms_case("128x512", {1, 128, 512}, 512));
  t.back().bench = true;
}

// `sin` and `cos` are the table's values for element i of the head at row r of x.
Values rope(const NodeDesc& n, const Values& in) {
  const Shape& s = n.in[0].shape;
  const auto head = static_cast<size_t>(s[3]), half = head / 2;
  std::vector<double> out(in[0].size());
  auto table = [&](size_t input, int32_t a, int32_t b, int32_t c, size_t i) {
    const Shape& t = n.in[input].shape;
    const int32_t ta = t[0] == 1 ? 0 : a, tb = t[1] == 1 ? 0 : b, tc = t[2] == 1 ? 0 : c;
    return in[input][static_cast<size_t>((ta * t[1] + tb) * t[2] + tc) * head + i];
  };
  size_t r = 0;
  for (int32_t a = 0; a < s[0]; ++a)
    for (int32_t b = 0; b < s[1]; ++b)
      for (int32_t c = 0; c < s[2]; ++c, r += head)
        for (size_t i = 0; i < head; ++i) {
          // The other half, turned by a right angle.
          const double turned = i < half ? -in[0][r + i + half] : in[0][r + i - half];
          out[r + i] = in[0][r + i] * table(2, a, b, c, i) + turned * table(1, a, b, c, i);
        }
  return {out};
}

OpCase rope_case(std::string name, Shape x, Shape sin, Shape cos) {
  OpCase c{.name = std::move(name), .kind = OpKind::ROPE, .uint8 = true};
  c.attrs = RopeAttrs{};
  c.inputs = {random_tensor(x, -2, 2), random_constant(sin), random_constant(cos)};
  c.oracle = rope;
  return c;
}

void ropes(std::vector<OpCase>& t) {
  t.push_back(rope_case("one position", {1, 4, 1, 8}, {1, 1, 1, 8}, {1, 1, 1, 8}));
  t.push_back(rope_case("one table for all", {2, 3, 5, 6}, {1, 1, 1, 6}, {1, 1, 1, 6}));
  t.push_back(rope_case("a row per position", {2, 3, 5, 4}, {1, 1, 5, 4}, {1, 1, 5, 4}));
  t.push_back(rope_case("a row per head and sample", {2, 3, 2, 4}, {2, 1, 2, 4}, {1, 3, 1, 4}));
  t.push_back(rope_case("32 heads of 128", {1, 32, 16, 128}, {1, 1, 16, 128}, {1, 1, 16, 128}));
  t.back().bench = true;
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// Keras' GRU with reset_after: gates z, r and the candidate.
Values gru(const NodeDesc& n, const Values& in) {
  const auto units = in[5].size(), features = static_cast<size_t>(n.in[0].shape[2]);
  std::vector<double> h = in[5];
  for (size_t t = 0; t < in[0].size() / features; ++t) {
    auto product = [&](size_t weights, const double* v, size_t count, size_t row) {
      double sum = value_of(in[weights + 1], row, 0);
      for (size_t i = 0; i < count; ++i)
        sum += in[weights][row * count + i] * v[i];
      return sum;
    };
    std::vector<double> next(units);
    for (size_t j = 0; j < units; ++j) {
      auto w = [&](size_t gate) { return product(1, &in[0][t * features], features, gate * units + j); };
      auto u = [&](size_t gate) { return product(3, h.data(), units, gate * units + j); };
      const double z = sigmoid(w(0) + u(0)), r = sigmoid(w(1) + u(1));
      next[j] = z * h[j] + (1 - z) * std::tanh(w(2) + r * u(2));
    }
    h = next;
  }
  return {h};
}

OpCase gru_case(std::string name, int32_t steps, int32_t features, int32_t units, bool bias) {
  OpCase c{.name = std::move(name), .kind = OpKind::GRU, .int8 = false};
  c.attrs = GruAttrs{};
  const int32_t gates = 3 * units;
  c.inputs = {random_tensor({steps, 1, features}, -2, 2),        random_constant({gates, features}),
              bias ? random_constant({gates}) : absent_tensor(), random_constant({gates, units}),
              bias ? random_constant({gates}) : absent_tensor(), random_constant({1, units})};
  c.oracle = gru;
  return c;
}

void grus(std::vector<OpCase>& t) {
  t.push_back(gru_case("plain", 5, 3, 4, true));
  t.push_back(gru_case("no biases", 3, 2, 2, false));
  t.push_back(gru_case("no steps: the first state", 0, 3, 2, true));
  t.push_back(gru_case("wide", 8, 40, 64, true));
  t.back().bench = true;
}

}  // namespace

std::vector<OpCase> circle_cases() {
  std::vector<OpCase> t;
  instance_norms(t);
  rms_norms(t);
  ropes(t);
  grus(t);
  return t;
}

}  // namespace octet::test
