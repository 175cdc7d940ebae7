#include "quant/assign/same_scale.hpp"

#include <algorithm>

#include "quant/assign/scales.hpp"

namespace octet {
namespace {

using Kind = TensorRule::Kind;

Range united(Range a, Range b) {
  return {std::min(a.min, b.min), std::max(a.max, b.max)};
}

double width(Range r) {
  return static_cast<double>(r.max) - static_cast<double>(r.min);
}

// The range of an input and an anchor that have `in` and `out`.
Range joined(Range in, Range out, Groups::Join how) {
  // A selection needs no more than its own range. Where the two are about the same, though, the input has the
  // better statistics.
  constexpr double kSame = 0.9;
  switch (how) {
    case Groups::Join::contained: return out;
    case Groups::Join::selected:
      if (width(out) < kSame * width(in)) return out;
      if (width(in) >= kSame * width(out)) return in;
      return united(in, out);
    default: return united(in, out);
  }
}

}  // namespace

std::vector<PortClass> same_scale_ports(const Node& n, const QuantRule& rule) {
  // Ports are numbered inputs first; `root` is the least port of the class.
  const size_t ins = n.inputs.size(), all = ins + n.outputs.size();
  std::vector<size_t> root(all);
  for (size_t i = 0; i < all; ++i)
    root[i] = i;
  auto unite = [&](size_t a, size_t b) {
    const size_t from = std::max(root[a], root[b]), to = std::min(root[a], root[b]);
    for (size_t& r : root)
      if (r == from) r = to;
  };
  for (size_t p = 0; p < all; ++p) {
    const TensorRule& r = p < ins ? rule.input(p) : rule.output(p - ins);
    if (r.kind == Kind::same_as_input && static_cast<size_t>(r.a) < ins) unite(p, static_cast<size_t>(r.a));
    if (r.kind == Kind::same_as_output && ins + static_cast<size_t>(r.a) < all)
      unite(p, ins + static_cast<size_t>(r.a));
  }
  std::vector<PortClass> classes;
  for (size_t r = 0; r < all; ++r) {
    PortClass c;
    for (size_t p = 0; p < all; ++p) {
      const ValueId v = p < ins ? n.inputs[p] : n.outputs[p - ins];
      if (root[p] == r && v != kNoValue) c.push_back({p >= ins, p < ins ? p : p - ins, v});
    }
    if (c.size() > 1) classes.push_back(std::move(c));
  }
  return classes;
}

void Groups::widen(ValueId v, Range r) {
  Set& set = sets_[index(find(v))];
  set.range = united(set.range, r);
  set.seen = united(set.seen, r);
}

bool Groups::join(ValueId input, ValueId anchor, Join how) {
  const ValueId a = find(input), b = find(anchor);
  if (a == b) return true;
  Set &in = sets_[index(a)], &out = sets_[index(b)];
  const Range both = united(in.range, out.range);
  if (in.pin && out.pin) {
    if (*in.pin != *out.pin) return false;
  } else if (in.pin || out.pin) {
    const Affine& pin = in.pin ? *in.pin : *out.pin;
    const Range held = in.pin ? in.held : out.held;
    const Range seen = (in.pin ? out : in).seen;
    if (seen.min < held.min - pin.scale || seen.max > held.max + pin.scale) return false;
  } else if (how == Join::shared && width(both) >= 2 * width(in.range) && width(in.range) > 0) {
    return false;
  }
  out.range = joined(in.range, out.range, how);
  out.seen = united(in.seen, out.seen);
  if (!out.pin) {
    out.pin = in.pin;
    out.narrow = in.narrow;
    out.held = in.held;
  }
  out.computed_with = out.computed_with || in.computed_with;
  out.points.insert(out.points.end(), in.points.begin(), in.points.end());
  parent_[index(a)] = b;
  return true;
}

}  // namespace octet
