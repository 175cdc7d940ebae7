#include "quant/assign/materialize.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "quant/assign/scales.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

using FormKind = NodeForm::Kind;

// Builds the new graph node by node. Every value of the old graph has up to two forms in the new one, real
// and integer; the one its producer makes comes first, the other is made by a conversion when somebody asks.
class Builder {
 public:
  Builder(const Graph& g, const GraphAssignment& a, Io io) : g_(g), a_(a), io_(io), forms_(g.values.size()) {
    out_.name = g.name;
    for (ValueId v : g.outputs)
      is_output_.insert(v);
  }

  Result<Materialized> run() {
    for (ValueId v : g_.inputs)
      add_input(v);
    for (size_t n = 0; n < g_.nodes.size(); ++n)
      add_node(static_cast<NodeId>(n));
    for (ValueId v : g_.outputs)
      add_output(v);
    source_.resize(out_.nodes.size(), -1);
    return Materialized{std::move(out_), std::move(source_)};
  }

 private:
  struct Forms {
    ValueId real = kNoValue;
    ValueId integer = kNoValue;                                 // with a_.values' quantization
    std::vector<std::pair<Quantization, ValueId>> requantized;  // others, and those of constants
    bool made_integer = false;                                  // what its producer makes
  };
  const Value& old_value(ValueId v) const { return g_.value(v); }
  Forms& forms(ValueId v) { return forms_[static_cast<size_t>(v)]; }
  const Quantization& quant_of(ValueId v) const { return a_.values[static_cast<size_t>(v)]; }
  DType type_of(ValueId v) const { return a_.types[static_cast<size_t>(v)]; }

  std::string unique(std::string name) {
    if (name.empty()) return name;
    while (!names_.insert(name).second)
      name += "_";
    return name;
  }

  static const char* suffix_of(DType type) {
    return type == DType::int16 ? "_int16" : type == DType::uint8 ? "_uint8" : "_int8";
  }

  // A copy of the description of `v`, as the form named `suffix` ("" keeps the name).
  ValueId add_value(ValueId v, DType type, Quantization q, const char* suffix) {
    Value value = old_value(v);
    value.dtype = type;
    value.quant = std::move(q);
    if (!value.name.empty() || *suffix != 0) value.name = unique(value.name + suffix);
    return out_.add_value(std::move(value));
  }

  void add_op(OpKind kind, std::vector<ValueId> in, ValueId out, Attrs attrs = NoAttrs{}) {
    Node n;
    n.kind = kind;
    n.attrs = std::move(attrs);
    n.inputs = std::move(in);
    n.outputs = {out};
    const OpSpec* spec = find_spec(kind);
    const DType from = out_.value(n.inputs[0]).dtype, to = out_.value(out).dtype;
    n.version = from == DType::int16 || to == DType::int16       ? spec->version_int16
                : from == DType::float32 && to == DType::float32 ? spec->version_float
                                                                 : spec->version_int8;
    out_.nodes.push_back(std::move(n));
  }

  // --- borders ---

  bool integer_at_border(ValueId v) const {
    return io_ != Io::keep && old_value(v).dtype == DType::float32 && !quant_of(v).empty();
  }

  // How the border holds a value that is an integer inside.
  std::pair<DType, Quantization> at_border(ValueId v) const {
    const Quantization& q = quant_of(v);
    const DType inside = type_of(v), type = io_ == Io::uint8   ? DType::uint8
                                            : io_ == Io::int16 ? DType::int16
                                                               : DType::int8;
    if (type == inside) return {type, q};
    std::string note;
    Affine a = type == DType::int16     ? affine_of(type, range_of(q.at(), inside), note)
               : inside == DType::int16 ? a_.narrow[static_cast<size_t>(v)].at()
                                        : q.at();
    if (type == DType::uint8) a.zero_point += 128;
    return {type, Quantization::per_tensor(a)};
  }

  void add_input(ValueId v) {
    Forms& f = forms(v);
    if (!integer_at_border(v)) {
      f.real = add_value(v, old_value(v).dtype, old_value(v).quant, "");
      out_.inputs.push_back(f.real);
      return;
    }
    f.made_integer = true;
    const auto [type, q] = at_border(v);
    const ValueId border = add_value(v, type, q, "");
    out_.inputs.push_back(border);
    if (type == type_of(v)) {
      f.integer = border;
    } else {
      f.integer = add_value(v, type_of(v), quant_of(v), suffix_of(type_of(v)));
      add_op(OpKind::QUANTIZE, {border}, f.integer);
      f.requantized.emplace_back(q, border);
    }
  }

  void add_output(ValueId v) {
    if (!integer_at_border(v)) {
      out_.outputs.push_back(old_value(v).dtype == DType::float32 ? real(v) : as_is(v));
      return;
    }
    const ValueId inside = integer(v, quant_of(v), type_of(v));
    const auto [type, q] = at_border(v);
    if (type == type_of(v)) {
      out_.outputs.push_back(inside);
    } else {
      const ValueId border = add_value(v, type, q, suffix_of(type));
      add_op(OpKind::QUANTIZE, {inside}, border);
      out_.outputs.push_back(border);
    }
  }

  // --- forms on demand ---

  // A value that is no float32: indices and the like, and constants of any type.
  ValueId as_is(ValueId v) {
    if (v == kNoValue) return kNoValue;
    Forms& f = forms(v);
    if (f.real == kNoValue) f.real = add_value(v, old_value(v).dtype, old_value(v).quant, "");
    return f.real;
  }

  ValueId real(ValueId v) {
    if (v == kNoValue) return kNoValue;
    Forms& f = forms(v);
    if (f.real != kNoValue || !f.made_integer) return as_is(v);
    // An output of the graph keeps its name; its integer form was given another one.
    f.real = add_value(v, DType::float32, {}, is_output_.contains(v) && io_ == Io::keep ? "" : "_float");
    add_op(OpKind::DEQUANTIZE, {f.integer}, f.real);
    return f.real;
  }

  ValueId integer(ValueId v, const Quantization& q, DType type) {
    Forms& f = forms(v);
    const bool usual = type == type_of(v) && q == quant_of(v);
    if (f.integer != kNoValue && usual) return f.integer;
    for (const auto& [have, id] : f.requantized)
      if (have == q && out_.value(id).dtype == type) return id;
    const ValueId id = add_value(v, type, q, usual || type != type_of(v) ? suffix_of(type) : "_requantized");
    add_op(OpKind::QUANTIZE, {f.made_integer ? f.integer : as_is(v)}, id);
    if (usual)
      f.integer = id;
    else
      f.requantized.emplace_back(q, id);
    return id;
  }

  ValueId integer_constant(ValueId v, const Quantization& q, const TensorRule& rule, DType activations) {
    Forms& f = forms(v);
    const DType type = dtype_under(rule, activations);
    for (const auto& [have, id] : f.requantized)
      if (have == q && out_.value(id).dtype == type) return id;
    const ValueId id = add_value(v, type, q, "");
    out_.value(id).constant =
        quantize_constant(old_value(v), q, type, rule.kind == TensorRule::Kind::weights);
    f.requantized.emplace_back(q, id);
    return id;
  }

  // State as the operator keeps it. It begins as real 0, so there are no contents to convert.
  ValueId state(ValueId v, const Quantization& q, const TensorRule& rule) {
    Value value = old_value(v);
    value.dtype = dtype_under(rule);
    value.quant = q;
    if (!value.name.empty()) value.name = unique(value.name);
    return out_.add_value(std::move(value));
  }

  // --- nodes ---

  void add_node(NodeId id) {
    const Node& old = g_.nodes[static_cast<size_t>(id)];
    const NodeForm& form = a_.nodes[static_cast<size_t>(id)];
    Node n = old;
    if (form.kind != FormKind::integer) {
      for (ValueId& v : n.inputs)
        v = v != kNoValue && old_value(v).dtype == DType::float32 ? real(v) : as_is(v);
    } else {
      const OpSpec* spec = find_spec(old.kind);
      const QuantRule& rules = quant_rule(*spec, old);
      n.version = std::max(n.version, form.type == DType::int16 ? spec->version_int16 : spec->version_int8);
      if (form.type == DType::int16) use_any_scale(n.attrs);
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        const ValueId v = old.inputs[i];
        if (v == kNoValue || form.inputs[i].empty())
          n.inputs[i] = v != kNoValue && old_value(v).dtype == DType::float32 ? real(v) : as_is(v);
        else if (old_value(v).is_variable)
          n.inputs[i] = state(v, form.inputs[i], rules.input(i));
        else if (old_value(v).is_constant())
          n.inputs[i] = integer_constant(v, form.inputs[i], rules.input(i), form.type);
        else
          n.inputs[i] = integer(v, form.inputs[i], form.type);
      }
    }
    if (form.kind == FormKind::integer && !form.intermediates.empty())
      add_intermediates(n, form);
    else
      for (ValueId& v : n.intermediates)
        v = as_is(v);
    const Activation clamp = take_clamp(n, form);
    for (size_t j = 0; j < old.outputs.size(); ++j) {
      const ValueId v = old.outputs[j];
      if (v == kNoValue) continue;
      const bool is_integer = form.kind == FormKind::integer && !form.outputs[j].empty();
      if (clamp.none() || j != 0) {
        n.outputs[j] = add_output_of_node(v, is_integer);
        continue;
      }
      // The clamp becomes operators of its own, which produce the value in the node's place.
      const Quantization q = is_integer ? form.outputs[j] : Quantization();
      const ValueId before = add_value(v, is_integer ? form.type : DType::float32, q, "_unclamped");
      n.outputs[j] = before;
      push_node(n, id);
      add_clamp(before, v, is_integer, clamp);
      return;
    }
    push_node(std::move(n), id);
  }

  // Operators that once wanted 16-bit scales to be powers of two are told that these are not.
  static void use_any_scale(Attrs& attrs) {
    std::visit(
        [](auto& a) {
          if constexpr (requires { a.pot_scale_int16; }) a.pot_scale_int16 = false;
        },
        attrs);
  }

  // They hold quantization parameters and no data. Unused ones are float, without parameters.
  void add_intermediates(Node& n, const NodeForm& form) {
    const QuantRule& rules = quant_rule(*find_spec(n.kind), n);
    n.intermediates.clear();
    for (size_t i = 0; i < form.intermediates.size(); ++i) {
      Value record;
      record.name = unique(fmt::format("{}_intermediate{}", old_value(n.outputs[0]).name, i));
      record.dtype = form.intermediates[i].empty() ? DType::float32 : dtype_under(rules.intermediates[i]);
      record.shape = Shape{0};
      record.quant = form.intermediates[i];
      n.intermediates.push_back(out_.add_value(std::move(record)));
    }
  }

  void push_node(Node n, NodeId source) {
    source_.resize(out_.nodes.size(), -1);
    source_.push_back(source);
    out_.nodes.push_back(std::move(n));
  }

  ValueId add_output_of_node(ValueId v, bool is_integer) {
    Forms& f = forms(v);
    if (!is_integer) {
      f.real = add_value(v, old_value(v).dtype, old_value(v).quant, "");
      return f.real;
    }
    f.made_integer = true;
    f.integer = add_value(v, type_of(v), quant_of(v),
                          is_output_.contains(v) && io_ == Io::keep ? suffix_of(type_of(v)) : "");
    return f.integer;
  }

  // No file format has a code for a general clamp. Where the integers saturate at its bounds anyway it just
  // goes; else it is returned, to be spelled out.
  static Activation take_clamp(Node& n, const NodeForm& form) {
    Activation* act = activation_of(n.attrs);
    if (act == nullptr || act->kind != Activation::Kind::clamp) return {};
    const Activation clamp = *act;
    *act = Activation();
    if (form.kind == FormKind::integer && !form.outputs[0].empty()) {
      const QuantBounds b = bounds_of(clamp, form.type, form.outputs[0].at());
      const IntRange all = range_of(form.type);
      if (b.lo == all.lo && b.hi == all.hi) return {};
    }
    return clamp;
  }

  void add_clamp(ValueId from, ValueId v, bool is_integer, const Activation& clamp) {
    const bool low = std::isfinite(clamp.lo), high = std::isfinite(clamp.hi);
    auto bound = [&](float x, const char* suffix) {
      Value value;
      value.name = unique(old_value(v).name + suffix);
      value.shape = Shape{};
      value.constant = Constant::of(std::vector<float>{x});
      if (is_integer) {
        value.quant = quant_of(v);
        value.constant = quantize_constant(value, value.quant, type_of(v), false);
        value.dtype = type_of(v);
      }
      return out_.add_value(std::move(value));
    };
    ValueId current = from;
    if (low) {
      const ValueId c = bound(clamp.lo, "_lo");
      const ValueId to = high ? add_value(v, out_.value(from).dtype, out_.value(from).quant, "_above")
                              : add_output_of_node(v, is_integer);
      add_op(OpKind::MAXIMUM, {current, c}, to);
      current = to;
    }
    if (high) {
      const ValueId c = bound(clamp.hi, "_hi");
      add_op(OpKind::MINIMUM, {current, c}, add_output_of_node(v, is_integer));
    }
  }

  const Graph& g_;
  const GraphAssignment& a_;
  Io io_;
  Graph out_;
  std::vector<NodeId> source_;
  std::vector<Forms> forms_;
  std::set<ValueId> is_output_;
  std::set<std::string> names_;
};

}  // namespace

Result<Materialized> materialize(const Graph& g, const GraphAssignment& assignment, Io io) {
  if (assignment.nodes.size() != g.nodes.size() || assignment.values.size() != g.values.size() ||
      assignment.types.size() != g.values.size())
    return Status::internal("the assignment belongs to another graph");
  return Builder(g, assignment, io).run();
}

}  // namespace octet
