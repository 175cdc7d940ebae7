#include "quant/assign/assign.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "quant/assign/assign_weights.hpp"
#include "quant/assign/joined_outputs.hpp"
#include "quant/assign/masks.hpp"
#include "quant/assign/response.hpp"
#include "quant/assign/same_scale.hpp"
#include "quant/assign/scales.hpp"
#include "quant/statistics/keys.hpp"

namespace octet {
namespace {

using Kind = TensorRule::Kind;

bool is_same(const TensorRule& r) {
  return r.kind == Kind::same_as_input || r.kind == Kind::same_as_output;
}

std::string non_finite_text(const NonFiniteCounts& odd) {
  std::string text;
  auto add = [&](int64_t n, const char* what) {
    if (n != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, what);
  };
  add(odd.nan, "NaN");
  add(odd.infinite, "infinite");
  add(odd.fill, "fill (-1e30 or less)");
  return text;
}

class Assigner {
 public:
  Assigner(const Graph& g, const GraphStatistics& statistics, const Observer& observer, const Recipe& recipe,
           const std::vector<TypeOverride>& overrides, NodeMarks int16_activations)
      : g_(g),
        uses_(uses_of(g)),
        statistics_(statistics),
        observer_(observer),
        recipe_(recipe),
        int16_activations_(std::move(int16_activations)),
        groups_(g.values.size()) {
    int16_activations_.resize(g.nodes.size(), 0);
    a_.nodes.resize(g.nodes.size());
    a_.values.resize(g.values.size());
    a_.types.assign(g.values.size(), DType::int8);
    a_.narrow.resize(g.values.size());
    overrides_.resize(g.nodes.size());
    for (const TypeOverride& o : overrides)
      overrides_[static_cast<size_t>(o.node)] = &o;
  }

  Result<GraphAssignment> run() {
    find_joined_outputs();
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      decide_form(static_cast<NodeId>(i));
    for (size_t v = 0; v < g_.values.size(); ++v)
      a_.types[v] = type_of(static_cast<ValueId>(v));
    collect_ranges();
    cut_masks();
    mark_computed_with();
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (is_integer(i)) join(static_cast<NodeId>(i));
    join_variables();
    for (size_t v = 0; v < g_.values.size(); ++v)
      settle(static_cast<ValueId>(v));
    for (const auto* border : {&g_.inputs, &g_.outputs})
      for (ValueId v : *border)
        if (!a_.values[static_cast<size_t>(v)].empty() && held_type(v) == DType::int16)
          a_.narrow[static_cast<size_t>(v)] = narrow_form(v);
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (is_integer(i)) fill(static_cast<NodeId>(i));
    return std::move(a_);
  }

 private:
  const Node& node(NodeId n) const { return g_.nodes[static_cast<size_t>(n)]; }
  NodeForm& form(NodeId n) { return a_.nodes[static_cast<size_t>(n)]; }
  bool is_integer(size_t n) const { return a_.nodes[n].kind == NodeForm::Kind::integer; }
  const QuantRule& rules(NodeId n) const { return quant_rule(*find_spec(node(n).kind), node(n)); }
  bool is_real(ValueId v) const { return v != kNoValue && g_.value(v).dtype == DType::float32; }
  bool is_moving(ValueId v) const { return is_real(v) && !g_.value(v).is_constant(); }
  void report(std::string where, std::string what) {
    a_.findings.push_back({std::move(where), std::move(what)});
  }

  // --- which nodes compute in integers, and with which ---

  void find_joined_outputs() {
    joined_.resize(g_.nodes.size(), 0);
    if (recipe_.scheme != Scheme::int8) return;
    const auto seen = [&](ValueId v) {
      const TensorStatistics* s = statistics_.of(v);
      return s == nullptr ? Range{} : s->extremes();
    };
    for (const JoinedOutput& output : joined_outputs(g_, seen)) {
      if (recipe_.io != Io::keep || recipe_.reader == Reader::int8_only)
        report(g_.value(output.output).name,
               "joins parts of very different ranges; as integers they share one scale, and the small parts "
               "keep few bits or none (float outputs keep them apart)");
      else
        for (NodeId n : output.operators)
          joined_[static_cast<size_t>(n)] = 1;
    }
  }

  void decide_form(NodeId n) {
    NodeForm& f = form(n);
    const Node& op = node(n);
    auto any_float = [&](const std::vector<ValueId>& ids) {
      return std::any_of(ids.begin(), ids.end(),
                         [&](ValueId v) { return v != kNoValue && is_float(g_.value(v).dtype); });
    };
    // What is stored between runs stays real, as inputs and outputs of the graph do.
    const OpSpec* spec = find_spec(op.kind);
    const bool stores = spec != nullptr && spec->access != VariableAccess::none;
    if (stores || (!any_float(op.inputs) && !any_float(op.outputs))) {
      f.kind = NodeForm::Kind::untouched;
      return;
    }
    f.reason = why_float(n);
    f.kind = f.reason.empty() ? NodeForm::Kind::integer : NodeForm::Kind::floating;
    const TypeOverride* given = overrides_[static_cast<size_t>(n)];
    const bool promoted = given != nullptr && given->type == DType::int16;
    const OperatorChoice choice = choice_for(recipe_, g_, n);
    const bool asked = choice.scheme == Scheme::int16x8;
    const bool marked = int16_activations_[static_cast<size_t>(n)] != 0 && recipe_.wide && !choice.has_scheme;
    if (f.kind != NodeForm::Kind::integer || !(asked || promoted || marked)) return;
    std::string why = why_int8(n);
    if (why.empty()) f.type = DType::int16;
    if (asked) f.reason = std::move(why);
    if (promoted && f.type == DType::int16 && !asked && !marked) f.reason = given->reason;
  }

  // Why an operator's activations are int8 although 16 bits are wanted.
  std::string why_int8(NodeId n) const {
    if (const TypeOverride* given = overrides_[static_cast<size_t>(n)];
        given != nullptr && given->type != DType::int16)
      return given->reason;
    const QuantRule& rule = rules(n);
    for (const auto* list : {&rule.inputs, &rule.outputs, &rule.intermediates})
      for (const TensorRule& r : *list)
        if (r.inner >= 0 || r.kind == Kind::symmetric16 || r.kind == Kind::power_of_two16)
          return "has 16 bits inside already";
    return {};
  }

  // The type in which a value is held where it is an integer: that in which it is computed. What is
  // converted from floats has the best that anybody reads.
  DType type_of(ValueId v) const {
    const NodeId p = uses_.producer[static_cast<size_t>(v)];
    if (p >= 0 && is_integer(static_cast<size_t>(p))) return a_.nodes[static_cast<size_t>(p)].type;
    const auto& readers = uses_.consumers[static_cast<size_t>(v)];
    const bool wide = std::any_of(readers.begin(), readers.end(), [&](NodeId c) {
      return is_integer(static_cast<size_t>(c)) && a_.nodes[static_cast<size_t>(c)].type == DType::int16;
    });
    return wide ? DType::int16 : DType::int8;
  }
  DType held_type(ValueId v) const { return a_.types[static_cast<size_t>(v)]; }

  std::string why_float(NodeId n) const {
    const Node& op = node(n);
    const OpSpec* spec = find_spec(op.kind);
    if (spec == nullptr) return "is not an operator Octet knows";
    const QuantRule& rule = quant_rule(*spec, op);
    if (!rule.has_int8) return std::string(rule.why_not);
    if (joined_[static_cast<size_t>(n)] != 0)
      return "joins parts of an output whose ranges are too different for one scale";
    if (const OperatorChoice c = choice_for(recipe_, g_, n); !octet::is_integer(c.scheme)) return c.reason();
    if (const TypeOverride* given = overrides_[static_cast<size_t>(n)];
        given != nullptr && given->type == DType::float32)
      return given->reason;
    for (size_t i = 0; i < op.inputs.size(); ++i)
      if (std::string why = why_not_tensor(n, op.inputs[i], rule.input(i)); !why.empty()) return why;
    for (size_t i = 0; i < op.outputs.size(); ++i)
      if (std::string why = why_not_tensor(n, op.outputs[i], rule.output(i)); !why.empty()) return why;
    for (const TensorRule& r : rule.intermediates)
      if (std::string why = why_not_seen(n, r); !why.empty()) return why;
    return {};
  }

  // Require statistics for the operator's internal tensors where the rule needs them.
  std::string why_not_seen(NodeId n, const TensorRule& rule) const {
    if (rule.inner < 0) return {};
    const auto i = static_cast<size_t>(rule.inner);
    if (const TensorStatistics* seen = statistics_.inner(n, i); seen != nullptr && seen->count() > 0)
      return {};
    return fmt::format("no finite values were seen in its {} during calibration",
                       find_spec(node(n).kind)->inner[i]);
  }

  std::string why_not_tensor(NodeId n, ValueId v, const TensorRule& rule) const {
    if (v == kNoValue) return {};
    const Value& value = g_.value(v);
    if (rule.kind == Kind::keep && rule.a >= 0 && value.dtype != static_cast<DType>(rule.a))
      return fmt::format("has an int8 form only from {}, '{}' is {}", name_of(static_cast<DType>(rule.a)),
                         value.name, name_of(value.dtype));
    if (rule.kind == Kind::weights && value.is_constant() && !is_float(value.dtype))
      return fmt::format("weights '{}' are {} already", value.name, name_of(value.dtype));
    if (!is_float(value.dtype)) return {};
    if (value.dtype != DType::float32)
      return fmt::format("tensor '{}' is {}", value.name, name_of(value.dtype));
    // State takes the type its one operator wants.
    if (value.is_variable && (is_same(rule) || rule.inner >= 0)) {
      if (uses_.consumers[static_cast<size_t>(v)].size() > 1)
        return fmt::format("its state '{}' is that of another operator too", value.name);
      return why_not_seen(n, rule);
    }
    const bool is_constant_role = is_weights(rule) || rule.kind == Kind::bias;
    if (is_constant_role && !value.is_constant())
      return fmt::format("{} '{}' are computed at run time", rule.kind == Kind::bias ? "biases" : "weights",
                         value.name);
    if (rule.kind == Kind::weights && rule.a >= value.shape.rank())
      return fmt::format("weights '{}' have no axis {}", value.name, rule.a);
    if (is_constant_role) {
      NonFiniteCounts odd;
      range_of_constant(value.constant.as<float>(), odd);
      if (odd.any()) return fmt::format("'{}' holds values that are not finite", value.name);
    }
    if (value.is_constant() || rule.kind == Kind::keep || rule.kind == Kind::fixed) return {};
    const TensorStatistics* seen = statistics_.of(v);
    if (seen == nullptr || seen->count() == 0)
      return fmt::format("no finite values were seen in '{}' during calibration", value.name);
    return {};
  }

  // --- ranges ---

  void collect_ranges() {
    const std::vector<std::string> keys = value_keys(g_);
    for (size_t v = 0; v < g_.values.size(); ++v) {
      const TensorStatistics* seen = statistics_.of(static_cast<ValueId>(v));
      if (seen == nullptr || !is_moving(static_cast<ValueId>(v))) continue;
      Range r = observer_.range(*seen, response_to(static_cast<ValueId>(v)));
      if (const NodeId p = uses_.producer[v]; p >= 0) {
        if (const Activation* act = activation_of(node(p).attrs); act != nullptr) {
          const RealRange bound = range_of(*act);
          r = {std::clamp(r.min, bound.lo, bound.hi), std::clamp(r.max, bound.lo, bound.hi)};
        }
      }
      groups_.set_range(static_cast<ValueId>(v), {std::min(r.min, 0.0f), std::max(r.max, 0.0f)},
                        seen->extremes());
      if (observer_.counts) add_end_points(static_cast<ValueId>(v), *seen);
      if (seen->non_finite().any())
        report(keys[v],
               "calibration saw " + non_finite_text(seen->non_finite()) + " values; they were left out");
    }
    for (size_t n = 0; n < g_.nodes.size(); ++n) {
      if (!is_integer(n)) continue;
      const Node& op = g_.nodes[n];
      for (size_t j = 0; j < op.outputs.size(); ++j) {
        const TensorRule& rule = rules(static_cast<NodeId>(n)).output(j);
        if (is_moving(op.outputs[j]) && rule.kind == Kind::fixed)
          groups_.pin(op.outputs[j], fixed_under(rule, a_.nodes[n].type), a_.nodes[n].type,
                      fixed_under(rule));
      }
    }
  }

  void cut_masks() {
    NonFiniteCounts ignored;
    masked_ = masking_bounds(g_, [&](ValueId v) {
      return is_moving(v) ? groups_.range(v) : range_of_constant(g_.value(v).constant.as<float>(), ignored);
    });
    for (size_t i = 0; i < masked_.size(); ++i) {
      const auto v = static_cast<ValueId>(i);
      const TensorStatistics* seen = statistics_.of(v);
      if (!masked_[i] || !is_moving(v) || seen == nullptr) continue;
      const NonFiniteCounts& odd = seen->non_finite();
      const Range r = groups_.range(v);
      if (odd.fill == 0 && odd.infinite == 0 && r.min >= *masked_[i]) continue;
      const float least = std::min(*masked_[i], 0.0f);
      groups_.set_range(v, {least, r.max}, {least, seen->extremes().max});
    }
  }

  // When the one reader of `v` works element by element, what counts is the error behind it.
  Response response_to(ValueId v) const {
    const auto& readers = uses_.consumers[static_cast<size_t>(v)];
    if (readers.size() != 1 || !is_integer(static_cast<size_t>(readers[0]))) return nullptr;
    if (std::find(g_.outputs.begin(), g_.outputs.end(), v) != g_.outputs.end()) return nullptr;
    return response_of(g_, readers[0], v);
  }

  // Many values at an end of the range: something was clamped there.
  void add_end_points(ValueId v, const TensorStatistics& statistics) {
    constexpr float kMany = 0.005f;
    // A clamp that no file has a code for costs operators unless int8 saturates at its very bounds.
    if (const NodeId p = uses_.producer[static_cast<size_t>(v)]; p >= 0)
      if (const Activation* act = activation_of(node(p).attrs);
          act != nullptr && act->kind == Activation::Kind::clamp)
        return;
    const Range share = statistics.share_at_ends(), seen = statistics.extremes();
    if (share.min >= kMany && seen.min != 0) groups_.add_point(v, {seen.min, static_cast<double>(share.min)});
    if (share.max >= kMany && seen.max != 0) groups_.add_point(v, {seen.max, static_cast<double>(share.max)});
  }

  // --- same-scale groups ---

  void mark_computed_with() {
    for (size_t n = 0; n < g_.nodes.size(); ++n) {
      if (!is_integer(n)) continue;
      const Node& op = g_.nodes[n];
      std::vector<char> handed_on(op.inputs.size(), 0);
      if (!rules(static_cast<NodeId>(n)).mixes)
        for (const PortClass& c : same_scale_ports(op, rules(static_cast<NodeId>(n))))
          for (const Port& p : c)
            if (!p.is_output) handed_on[p.index] = 1;
      for (size_t i = 0; i < op.inputs.size(); ++i)
        if (is_moving(op.inputs[i]) && handed_on[i] == 0) groups_.set_computed_with(op.inputs[i]);
    }
    for (ValueId v : g_.outputs)
      if (is_moving(v)) groups_.set_computed_with(v);
  }

  void join(NodeId n) {
    const Node& op = node(n);
    for (const PortClass& c : same_scale_ports(op, rules(n))) {
      // The anchor decides: an output if there is one, else the first input that is computed.
      const Port* anchor = nullptr;
      for (const Port& p : c)
        if (is_moving(p.value) && (anchor == nullptr || (p.is_output && !anchor->is_output))) anchor = &p;
      if (anchor == nullptr) continue;
      const bool only_constants_in =
          std::none_of(c.begin(), c.end(), [&](const Port& p) { return !p.is_output && is_moving(p.value); });
      for (const Port& p : c) {
        if (!is_real(p.value)) continue;
        if (!is_moving(p.value)) {
          // A constant that is all the output can be (a table to gather from) must fit into the range.
          const auto values = g_.value(p.value).constant.as<float>();
          NonFiniteCounts odd;
          const Range r = range_of_constant(values, odd);
          if (only_constants_in) groups_.widen(anchor->value, r);
          // A single number (a fill, a bound) occurs often; how often is not known.
          if (values.size() == 1 && !odd.any() && values[0] != 0)
            groups_.add_point(anchor->value, {values[0], 0.05});
        } else if (p.is_output && p.value != anchor->value) {
          groups_.join(p.value, anchor->value, Groups::Join::whole);
        }
      }
      const auto inputs = std::count_if(c.begin(), c.end(),
                                        [&](const Port& p) { return !p.is_output && is_moving(p.value); });
      for (const Port& p : c)
        if (!p.is_output && is_moving(p.value) && p.value != anchor->value &&
            held_type(p.value) == held_type(anchor->value))
          groups_.join(p.value, anchor->value, how_to_join(p.value, inputs == 1));
    }
  }

  Groups::Join how_to_join(ValueId input, bool only_one) {
    using Join = Groups::Join;
    if (uses_.consumers[static_cast<size_t>(input)].size() > 1 || groups_.is_computed_with(input))
      return Join::shared;
    if (g_.value(input).is_variable) return Join::whole;
    return only_one ? Join::selected : Join::contained;
  }

  // What is read from a variable was written to it in an earlier run; calibration, which begins every sample
  // afresh, saw zeros.
  void join_variables() {
    std::map<std::pair<std::string, std::string>, ValueId> known;
    for (const Node& n : g_.nodes) {
      const OpSpec* spec = find_spec(n.kind);
      if (spec == nullptr || spec->access == VariableAccess::none) continue;
      const ValueId v = spec->access == VariableAccess::read ? n.outputs[0] : n.inputs[1];
      const NodeId handle = uses_.producer[static_cast<size_t>(n.inputs[0])];
      const auto* variable = handle < 0 ? nullptr : std::get_if<VarHandleAttrs>(&node(handle).attrs);
      if (variable == nullptr || !is_moving(v)) continue;
      const auto [at, fresh] = known.try_emplace({variable->container, variable->shared_name}, v);
      if (!fresh && held_type(v) == held_type(at->second)) groups_.join(v, at->second, Groups::Join::whole);
    }
  }

  // --- scales ---

  void settle(ValueId v) {
    if (!is_moving(v) || g_.value(v).is_variable || !touches_integer(v)) return;
    if (const auto pinned = groups_.pinned(v)) {
      a_.values[static_cast<size_t>(v)] = Quantization::per_tensor(*pinned);
      return;
    }
    std::string note;
    a_.values[static_cast<size_t>(v)] = group_quantization(v, held_type(v), note);
    if (!note.empty()) report(g_.value(v).name, note);
  }

  // By the range of the group; 16 bits hold twice what was seen (Q18).
  Quantization group_quantization(ValueId v, DType type, std::string& note) const {
    const Range seen = groups_.seen(v);
    constexpr float kMost = std::numeric_limits<float>::max();
    const Range wide{std::max(2 * seen.min, -kMost), std::min(2 * seen.max, kMost)};
    const Range r = type == DType::int16 ? wide : groups_.range(v);
    return Quantization::per_tensor(affine_of(type, r, note, groups_.points(v)));
  }

  // How an operator with activations of the given type reads a value that is computed.
  Quantization read_as(ValueId v, DType type) const {
    if (type == held_type(v)) return a_.values[static_cast<size_t>(v)];
    std::string note;  // was reported with the value's own type
    return group_quantization(v, type, note);
  }

  Quantization narrow_form(ValueId v) const {
    if (const auto pinned = groups_.pinned_in_8_bits(v)) return Quantization::per_tensor(*pinned);
    return read_as(v, DType::int8);
  }

  bool touches_integer(ValueId v) const {
    const NodeId p = uses_.producer[static_cast<size_t>(v)];
    if (p >= 0 && is_integer(static_cast<size_t>(p))) return true;
    const auto& consumers = uses_.consumers[static_cast<size_t>(v)];
    return std::any_of(consumers.begin(), consumers.end(),
                       [&](NodeId c) { return is_integer(static_cast<size_t>(c)); });
  }

  void fill(NodeId n) {
    const Node& op = node(n);
    NodeForm& f = form(n);
    f.inputs.resize(op.inputs.size());
    f.outputs.resize(op.outputs.size());
    for (size_t j = 0; j < op.outputs.size(); ++j)
      if (is_real(op.outputs[j]) && rules(n).output(j).kind != Kind::keep)
        f.outputs[j] = a_.values[static_cast<size_t>(op.outputs[j])];
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      const ValueId v = op.inputs[i];
      const TensorRule& rule = rules(n).input(i);
      if (!is_real(v)) continue;
      if (rule.inner >= 0) {
        f.inputs[i] = inner_quantization(n, rule);
      } else if (rule.kind == Kind::fixed) {
        f.inputs[i] = Quantization::per_tensor(fixed_under(rule, f.type));
      } else if (rule.kind == Kind::activation || is_same(rule)) {
        f.inputs[i] = is_moving(v) ? read_as(v, f.type) : constant_quantization(v, f.type);
      }
    }
    // Ports of one scale take the anchor's: constants are quantized with it, other values requantized to it.
    for (const PortClass& c : same_scale_ports(op, rules(n))) {
      const Quantization* q = nullptr;
      for (const Port& p : c)
        if (p.is_output && is_moving(p.value)) q = &f.outputs[p.index];
      for (const Port& p : c)
        if (q == nullptr && is_moving(p.value)) q = &f.inputs[p.index];
      for (const Port& p : c)
        if (q != nullptr && !p.is_output && is_real(p.value)) f.inputs[p.index] = *q;
    }
    for (const TensorRule& rule : rules(n).intermediates)
      f.intermediates.push_back(rule.inner >= 0                     ? inner_quantization(n, rule)
                                : rule.kind == Kind::same_as_output ? f.outputs[static_cast<size_t>(rule.a)]
                                : rule.kind == Kind::same_as_input  ? f.inputs[static_cast<size_t>(rule.a)]
                                                                    : Quantization());
    assign_weights(g_, op, rules(n), choice_for(recipe_, g_, n).weights.per_channel, f, a_.findings);
  }

  // By what calibration saw inside of the operator.
  Quantization inner_quantization(NodeId n, const TensorRule& rule) {
    const TensorStatistics& seen = *statistics_.inner(n, static_cast<size_t>(rule.inner));
    const std::string where = fmt::format("{}/{}", node_name(g_, n),
                                          find_spec(node(n).kind)->inner[static_cast<size_t>(rule.inner)]);
    if (seen.non_finite().any())
      report(where, "calibration saw " + non_finite_text(seen.non_finite()) + " values; they were left out");
    std::string note;
    const Affine a = rule.kind == Kind::activation ? activation_affine(observer_.range(seen), note)
                                                   : int16_affine(rule, seen.extremes(), note);
    if (!note.empty()) report(where, note);
    return Quantization::per_tensor(a);
  }

  Quantization constant_quantization(ValueId v, DType type) {
    NonFiniteCounts odd;
    const auto values = g_.value(v).constant.as<float>();
    Range r = range_of_constant(values, odd);
    if (const auto& bound = masked_[static_cast<size_t>(v)];
        bound && (odd.fill + odd.infinite > 0 || r.min < *bound))
      r.min = std::min(*bound, r.max);
    // One number all over: exact to the last bit, which matters where it is an exponent.
    if (type == DType::int8 && !odd.any() && r.min == r.max && std::fabs(r.max) >= 64 * kLeastScale)
      return Quantization::per_tensor({std::fabs(r.max) / 64, 0});
    if (odd.any())
      report(g_.value(v).name,
             "holds " + non_finite_text(odd) + " values; they saturate and do not widen its range");
    std::string note;
    return Quantization::per_tensor(affine_of(type, r, note));
  }

  const Graph& g_;
  Uses uses_;
  const GraphStatistics& statistics_;
  const Observer& observer_;
  const Recipe& recipe_;
  NodeMarks int16_activations_;
  Groups groups_;
  GraphAssignment a_;
  std::vector<const TypeOverride*> overrides_;  // per node; most are null
  std::vector<char> joined_;                    // per node: joined_outputs()
  std::vector<std::optional<float>> masked_;    // per value: masking_bounds()
};

}  // namespace

Result<GraphAssignment> assign(const Graph& g, const GraphStatistics& statistics, const Recipe& recipe,
                               const std::vector<TypeOverride>& overrides,
                               const NodeMarks& int16_activations) {
  for (const TypeOverride& o : overrides)
    if (o.node < 0 || static_cast<size_t>(o.node) >= g.nodes.size())
      return Status::invalid(fmt::format("there is no operator {} to give another type", o.node));
  OCTET_ASSIGN(const Observer* observer, find_observer(recipe.observer));
  return Assigner(g, statistics, *observer, recipe, overrides, int16_activations).run();
}

}  // namespace octet
