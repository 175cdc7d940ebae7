// Tensors that must share one scale and zero point: which, by the operators' rules, and with what range.
#pragma once

#include <optional>
#include <vector>

#include "kernels/op_spec.hpp"
#include "quant/assign/scales.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

struct Port {
  bool is_output = false;
  size_t index = 0;
  ValueId value = kNoValue;
};
// Ports of one node that the operator wants to have the same quantization; at least two.
using PortClass = std::vector<Port>;
std::vector<PortClass> same_scale_ports(const Node& n, const QuantRule& rule);

// Values joined into groups (union-find), each with a range and perhaps parameters that an operator dictates.
class Groups {
 public:
  explicit Groups(size_t values) : parent_(values), sets_(values) {
    for (size_t i = 0; i < values; ++i)
      parent_[i] = static_cast<ValueId>(i);
  }
  // `range` is what to quantize, `seen` the extremes of the data.
  void set_range(ValueId v, Range range, Range seen) {
    sets_[index(find(v))].range = range;
    sets_[index(find(v))].seen = seen;
  }
  void widen(ValueId v, Range r);
  // A value that should be represented exactly.
  void add_point(ValueId v, MassPoint p) { sets_[index(find(v))].points.push_back(p); }
  // `narrow`: the parameters in 8 bits, which are `a` unless the type has 16.
  void pin(ValueId v, Affine a, DType type, Affine narrow) {
    sets_[index(find(v))].pin = a;
    sets_[index(find(v))].narrow = narrow;
    sets_[index(find(v))].held = range_of(a, type);
  }

  // An operator computes with `v`, instead of handing it on as it is.
  void set_computed_with(ValueId v) { sets_[index(find(v))].computed_with = true; }
  // So it is with something in the group of `v`.
  bool is_computed_with(ValueId v) const { return sets_[index(find(v))].computed_with; }

  enum class Join : uint8_t {
    whole,      // the range of both
    selected,   // the anchor is made of elements of the input alone, which has no other reader
    contained,  // the anchor is made of elements of this and other inputs; this one has no other reader
    shared,     // others read the input, or something in its group, too
  };
  // Join the groups of an operator's input and its anchor, unless that harms: different dictated
  // parameters; values outside of dictated ones; or a shared input that would lose a bit or more. Then the
  // input is requantized for this operator.
  bool join(ValueId input, ValueId anchor, Join how);

  Range range(ValueId v) const { return sets_[index(find(v))].range; }
  Range seen(ValueId v) const { return sets_[index(find(v))].seen; }
  std::span<const MassPoint> points(ValueId v) const { return sets_[index(find(v))].points; }
  std::optional<Affine> pinned(ValueId v) const { return sets_[index(find(v))].pin; }
  std::optional<Affine> pinned_in_8_bits(ValueId v) const {
    const Set& s = sets_[index(find(v))];
    return s.pin ? std::optional(s.narrow) : std::nullopt;
  }

 private:
  struct Set {
    Range range, seen, held;  // held: what `pin` can hold
    std::optional<Affine> pin;
    Affine narrow;  // with `pin`
    std::vector<MassPoint> points;
    bool computed_with = false;
  };
  static size_t index(ValueId v) { return static_cast<size_t>(v); }
  ValueId find(ValueId v) const {
    while (parent_[index(v)] != v)
      v = parent_[index(v)];
    return v;
  }
  std::vector<ValueId> parent_;
  std::vector<Set> sets_;
};

}  // namespace octet
