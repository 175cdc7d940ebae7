// Traits of operators (kernels/traits.hpp) against the float reference kernels, on the cases of the
// conformance test: what an operator's file claims must hold, and what holds on every case must be claimed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "tests/kernels/trial.hpp"

namespace octet::test {
namespace {

enum class Finding { untested, holds, fails };
Finding found(bool holds) {
  return holds ? Finding::holds : Finding::fails;
}

Finding homogeneous(Trial t) {
  if (t.p.in.empty() || !t.is_float(0) || !t.floats_out()) return Finding::untested;
  std::vector<double> twice = t.before();
  for (double& v : twice)
    v *= 2;
  t.change(0, [](float x, int64_t) { return 2 * x; });
  const auto y = t.outputs();
  return y ? found(near(twice, *y)) : Finding::untested;
}

Finding monotone(Trial t) {
  if (t.p.in.empty() || !t.is_float(0) || !t.floats_out()) return Finding::untested;
  std::minstd_rand random(1);
  t.change(0, [&](float x, int64_t) { return x + static_cast<float>(random() % 4) * 0.25f; });
  const auto y = t.outputs();
  if (!y) return Finding::untested;
  const std::vector<double> x = t.before();
  for (size_t i = 0; i < x.size(); ++i)
    if ((*y)[i] < x[i] - 1e-5 * std::max(1.0, std::fabs(x[i]))) return Finding::fails;
  return Finding::holds;
}

Finding nonnegative(Trial t) {
  if (!t.floats_out() || t.p.in.empty()) return Finding::untested;
  const std::vector<double> y = t.before();
  return found(std::none_of(y.begin(), y.end(), [](double v) { return v < 0; }));
}

// Values go where they went, whatever they are, and none is new.
Finding moves(Trial t) {
  if (!t.floats_out() || t.p.in.empty()) return Finding::untested;
  std::set<double> known = {0};
  bool any = false;
  for (size_t i = 0; i < t.p.in.size(); ++i) {
    if (!t.is_float(i)) continue;
    any = true;
    for (double x : to_real(t.p.in[i], t.p.bytes[i]))
      known.insert(x);
  }
  if (!any) return Finding::untested;
  std::vector<double> y = t.before();
  if (!std::all_of(y.begin(), y.end(), [&](double v) { return known.count(v) != 0; })) return Finding::fails;
  for (size_t i = 0; i < t.p.in.size(); ++i)
    if (t.is_float(i)) t.change(i, [](float x, int64_t) { return -x; });
  const auto negated = t.outputs();
  if (!negated) return Finding::untested;
  for (double& v : y)
    v = -v;
  return found(y == *negated);
}

// Elements of inputs in another order: element i is the one that was at order[i].
void reorder(Trial& t, size_t input, const std::vector<size_t>& order) {
  const Bytes old = t.p.bytes[input];
  const auto size = static_cast<size_t>(t.p.in[input].bytes()) / order.size();
  for (size_t i = 0; i < order.size(); ++i)
    std::memcpy(t.p.bytes[input].data() + i * size, old.data() + order[i] * size, size);
}
std::vector<size_t> reversed(int64_t n) {
  std::vector<size_t> order(static_cast<size_t>(n));
  std::iota(order.rbegin(), order.rend(), size_t{0});
  return order;
}

// Positions change places: so do the outputs.
Finding elementwise(Trial t) {
  if (t.p.in.empty() || t.p.out.size() != 1 || t.p.out[0].elements() < 2) return Finding::untested;
  std::vector<size_t> whole;
  for (size_t i = 0; i < t.p.in.size(); ++i) {
    if (t.p.in[i].absent || t.p.in[i].dtype == DType::int4) return Finding::untested;
    if (t.p.in[i].elements() == 1) continue;
    if (t.p.in[i].shape != t.p.out[0].shape) {
      const auto both = broadcast(t.p.in[i].shape, t.p.out[0].shape);
      return both && *both == t.p.out[0].shape ? Finding::untested : Finding::fails;
    }
    whole.push_back(i);
  }
  if (whole.empty()) return Finding::untested;
  std::vector<size_t> order = reversed(t.p.out[0].elements());
  std::minstd_rand random(1);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random() % i]);
  for (size_t i : whole)
    reorder(t, i, order);
  const std::vector<double> before = t.before();
  std::vector<double> wanted;
  for (size_t i : order)
    wanted.push_back(before[i]);
  const auto y = t.outputs();
  return y ? found(near(wanted, *y)) : Finding::untested;
}

Finding reduces(Trial t) {
  if (t.p.in.size() != 2 || t.p.out.size() != 1 || t.p.in[1].dtype != DType::int32 ||
      t.p.in[0].elements() <= t.p.out[0].elements() || std::get_if<ReduceAttrs>(&t.p.attrs) == nullptr)
    return Finding::untested;
  reorder(t, 0, reversed(t.p.in[0].elements()));
  std::vector<double> wanted = t.before();
  std::reverse(wanted.begin(), wanted.end());
  const auto y = t.outputs();
  return y ? found(near(wanted, *y)) : Finding::untested;
}

Finding channelwise(Trial t) {
  if (t.p.in.empty() || !t.is_float(0) || t.p.out.size() != 1 || !t.floats_out()) return Finding::untested;
  const Shape &x = t.p.in[0].shape, &y = t.p.out[0].shape;
  if (x.rank() < 2 || y.rank() != x.rank() || x[-1] != y[-1] || y[-1] < 2) return Finding::untested;
  const int64_t channels = y[-1];
  t.change(0, [&](float v, int64_t k) { return k % channels == 0 ? v + 0.5f : v; });
  const auto after = t.outputs();
  if (!after) return Finding::untested;
  const std::vector<double> before = t.before();
  for (size_t i = 0; i < before.size(); ++i)
    if (static_cast<int64_t>(i) % channels != 0 && (*after)[i] != before[i] && !std::isnan(before[i]))
      return Finding::fails;
  return Finding::holds;
}

Finding commutative(Trial t) {
  if (t.p.in.size() != 2 || t.p.in[0].absent || t.p.in[1].absent || t.p.in[0].shape != t.p.in[1].shape ||
      t.p.in[0].dtype != t.p.in[1].dtype)
    return Finding::untested;
  std::swap_ranges(t.p.bytes[0].begin(), t.p.bytes[0].end(), t.p.bytes[1].begin());
  const auto y = t.outputs();
  return y ? found(near(t.before(), *y)) : Finding::untested;
}

// Whether y is f(x, c) for operands of one shape, or with a single c.
template <class F>
Finding is_function(const Trial& t, F f) {
  if (t.p.in.size() != 2 || !t.is_float(0) || !t.is_float(1) || !t.floats_out() || t.p.out.size() != 1)
    return Finding::untested;
  const auto x = to_real(t.p.in[0], t.p.bytes[0]), c = to_real(t.p.in[1], t.p.bytes[1]);
  if (t.p.in[0].shape != t.p.out[0].shape || (c.size() != 1 && t.p.in[1].shape != t.p.in[0].shape))
    return Finding::untested;
  std::vector<double> wanted;
  for (size_t i = 0; i < x.size(); ++i)
    wanted.push_back(f(x[i], c[c.size() == 1 ? 0 : i]));
  return found(near(wanted, t.before()));
}

Finding scales(Trial t) {
  const bool direct = has_trait(t.p.kind, Trait::commutative);
  return is_function(t, [&](double x, double c) { return direct ? x * c : x / c; });
}
Finding shifts(Trial t) {
  const bool direct = has_trait(t.p.kind, Trait::commutative);
  return is_function(t, [&](double x, double c) { return direct ? x + c : x - c; });
}

Finding takes_clamp(Trial t) {
  Activation* act = activation_of(t.p.attrs);
  if (act == nullptr || !t.floats_out()) return Finding::untested;
  *act = Activation::clamp(-0.125f, 0.375f);
  std::vector<double> wanted = t.before();
  for (double& v : wanted)
    v = std::clamp(v, -0.125, 0.375);
  const auto y = t.outputs();
  return found(y && near(wanted, *y));
}

// The same on integers: the clamp of what is computed without it.
Finding clamps_integers(const OpCase& c) {
  const Activation* act = activation_of(c.attrs);
  if (act == nullptr || !c.int8 || !find_spec(c.kind)->quant.has_int8) return Finding::untested;
  OpCase plain = c;
  *activation_of(plain.attrs) = Activation();
  auto p = prepare(plain, Form::int8);
  if (!p.ok() || p->out[0].dtype != DType::int8) return Finding::untested;
  const auto before = run(*p, find_spec(c.kind)->reference, 1);
  if (!before.ok()) return Finding::untested;
  const Activation limits = Activation::clamp(-0.125f, 0.375f);
  const QuantBounds b = bounds_of(limits, DType::int8, p->out[0].quant.at());
  std::vector<double> wanted = to_raw(p->out[0], (*before)[0]);
  for (double& v : wanted)
    v = std::clamp(v, static_cast<double>(b.lo), static_cast<double>(b.hi));
  *activation_of(p->attrs) = limits;
  const auto after = run(*p, find_spec(c.kind)->reference, 1);
  return found(after.ok() && to_raw(p->out[0], (*after)[0]) == wanted);
}

Finding windowed(Trial t) {
  const bool slides = std::visit(
      [](const auto& a) {
        return requires { a.padding; } && (requires { a.stride_h; } || requires { a.stride_d; });
      },
      t.p.attrs);
  return slides ? Finding::holds : Finding::fails;
}

struct Property {
  std::string_view name;
  Trait trait;
  Finding (*check)(Trial);
  bool complete = true;               // what holds must be claimed,
  std::set<OpKind> not_claimed = {};  // except by these
};

std::vector<Property> properties() {
  using enum OpKind;
  return {
      {"elementwise", Trait::elementwise, elementwise, true, {ZEROS_LIKE}},
      // A choice by values, or outputs that are values of no input's elements.
      {"moves", Trait::moves, moves, true, {SELECT, SELECT_V2, FILL, ONE_HOT, ZEROS_LIKE}},
      {"reduces", Trait::reduces, reduces},
      {"channelwise", Trait::channelwise, channelwise, false},
      {"homogeneous", Trait::homogeneous, homogeneous, true, {ZEROS_LIKE}},
      {"monotone", Trait::monotone, monotone, false},
      // By the numbers that the cases have.
      {"nonnegative",
       Trait::nonnegative,
       nonnegative,
       true,
       {CAST, FILL, FLOOR_MOD, POW, RANGE, REDUCE_PROD, ZEROS_LIKE}},
      {"commutative", Trait::commutative, commutative},
      {"scales", Trait::scales, scales},
      {"shifts", Trait::shifts, shifts, true, {ADD_N}},  // it takes no activation
      // What other readers of the formats refuse, or what feeds its activation back.
      {"takes_clamp", Trait::takes_clamp, takes_clamp, true, {CONCATENATION, INSTANCE_NORM, RNN, SVDF}},
      {"windowed", Trait::windowed, windowed, true, {TRANSPOSE_CONV, CONV_3D_TRANSPOSE}},
  };
}

struct Count {
  int holds = 0, fails = 0;
};
Count count(const Property& property, const std::vector<Trial>& trials) {
  Count n;
  for (const Trial& t : trials) {
    const Finding f = property.check(t);
    n.holds += f == Finding::holds;
    n.fails += f == Finding::fails;
  }
  return n;
}

const std::map<OpKind, std::vector<Trial>>& trials_by_kind() {
  static const auto trials = [] {
    std::map<OpKind, std::vector<Trial>> all;
    for (const OpCase& c : all_cases()) {
      if (c.bench) continue;
      if (auto t = Trial::of(c)) all[c.kind].push_back(*std::move(t));
    }
    return all;
  }();
  return trials;
}

}  // namespace

TEST_CASE("traits hold on the reference kernels") {
  for (const Property& property : properties()) {
    for (const auto& [kind, trials] : trials_by_kind()) {
      const Count n = count(property, trials);
      const std::string what =
          fmt::format("{} {}: holds {}, fails {}", name_of(kind), property.name, n.holds, n.fails);
      if (has_trait(kind, property.trait)) {
        CHECK_MESSAGE(n.fails == 0, what);
        const bool implied = property.trait == Trait::channelwise && has_trait(kind, Trait::elementwise);
        CHECK_MESSAGE((n.holds > 0 || implied), what);
      } else if (property.complete) {
        const bool known = property.not_claimed.count(kind) != 0;
        CHECK_MESSAGE((n.holds > 0 && n.fails == 0) == known, what << ": not claimed");
      }
    }
  }
}

// What somebody might claim by mistake.
TEST_CASE("a wrong trait would not go unnoticed") {
  using enum OpKind;
  const std::map<std::string_view, std::vector<OpKind>> wrong = {
      {"elementwise", {TRANSPOSE, SOFTMAX, CUMSUM, AVERAGE_POOL_2D}},
      {"moves", {MEAN, RELU, MAX_POOL_2D, RESIZE_BILINEAR}},
      {"reduces", {ARG_MAX, CUMSUM}},
      {"channelwise", {TRANSPOSE, SOFTMAX, L2_NORMALIZATION}},
      {"homogeneous", {RELU6, ADD, SOFTMAX, SQUARE}},
      {"monotone", {ABS, NEG, HARD_SWISH, SIN}},
      {"nonnegative", {TANH, LEAKY_RELU, MEAN}},
      {"commutative", {SUB, DIV, FLOOR_MOD}},
      {"scales", {ADD, MAXIMUM}},
      {"shifts", {MUL, SQUARED_DIFFERENCE}},
      {"takes_clamp", {RELU, RESHAPE}},
      {"windowed", {TRANSPOSE, FULLY_CONNECTED}},
  };
  for (const Property& property : properties())
    for (OpKind kind : wrong.at(property.name)) {
      const auto trials = trials_by_kind().find(kind);
      REQUIRE(trials != trials_by_kind().end());
      const Count n = count(property, trials->second);
      CHECK_MESSAGE((n.fails > 0 || n.holds == 0), property.name << " " << name_of(kind));
    }
}

TEST_CASE("what takes a clamp takes it on integers") {
  std::map<OpKind, int> seen;
  for (const OpCase& c : all_cases()) {
    if (c.bench || !has_trait(c.kind, Trait::takes_clamp)) continue;
    const Finding f = clamps_integers(c);
    CHECK_MESSAGE(f != Finding::fails, c.name);
    seen[c.kind] += f == Finding::holds;
  }
  for (const auto& [kind, count] : seen)
    CHECK_MESSAGE(count > 0, name_of(kind));
}

}  // namespace octet::test
