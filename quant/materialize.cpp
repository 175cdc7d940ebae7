#include "quant/materialize.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "quant/scales.hpp"

namespace octet {
namespace {

using Kind = NodeForm::Kind;

// Builds the new graph node by node. Every value of the old graph has up to two forms in the new one, real
// and integer; the one its producer makes comes first, the other is made by a conversion when somebody asks.
class Builder {
 public:
  Builder(const Graph& g, const Assignment& a, Io io) : g_(g), a_(a), io_(io), forms_(g.values.size()) {
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
    std::vector<std::pair<Quantization, ValueId>> requantized;  // with others, and of constants
    bool made_integer = false;                                  // what its producer makes
  };
  const Value& old_value(ValueId v) const { return g_.value(v); }
  Forms& forms(ValueId v) { return forms_[static_cast<size_t>(v)]; }
  const Quantization& quant_of(ValueId v) const { return a_.values[static_cast<size_t>(v)]; }

  std::string unique(std::string name) {
    if (name.empty()) return name;
    while (!names_.insert(name).second)
      name += "_";
    return name;
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
    n.version = out_.value(n.inputs[0]).dtype == DType::float32 && out_.value(out).dtype == DType::float32
                    ? spec->version_float
                    : spec->version_int8;
    out_.nodes.push_back(std::move(n));
  }

  static Quantization as_uint8(const Quantization& q) {
    return Quantization::per_tensor({q.scale(), q.zero_point() + 128});
  }

  // --- borders ---

  bool integer_at_border(ValueId v) const {
    return io_ != Io::keep && old_value(v).dtype == DType::float32 && !quant_of(v).empty();
  }

  void add_input(ValueId v) {
    Forms& f = forms(v);
    if (!integer_at_border(v)) {
      f.real = add_value(v, old_value(v).dtype, old_value(v).quant, "");
      out_.inputs.push_back(f.real);
      return;
    }
    f.made_integer = true;
    if (io_ == Io::uint8) {
      const ValueId border = add_value(v, DType::uint8, as_uint8(quant_of(v)), "");
      f.integer = add_value(v, DType::int8, quant_of(v), "_int8");
      out_.inputs.push_back(border);
      add_op(OpKind::QUANTIZE, {border}, f.integer);
    } else {
      f.integer = add_value(v, DType::int8, quant_of(v), "");
      out_.inputs.push_back(f.integer);
    }
  }

  void add_output(ValueId v) {
    if (!integer_at_border(v)) {
      out_.outputs.push_back(old_value(v).dtype == DType::float32 ? real(v) : as_is(v));
    } else if (io_ == Io::int8) {
      out_.outputs.push_back(integer(v, quant_of(v)));
    } else {
      const ValueId border = add_value(v, DType::uint8, as_uint8(quant_of(v)), "_uint8");
      add_op(OpKind::QUANTIZE, {integer(v, quant_of(v))}, border);
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

  ValueId integer(ValueId v, const Quantization& q) {
    Forms& f = forms(v);
    if (f.integer != kNoValue && q == quant_of(v)) return f.integer;
    for (const auto& [have, id] : f.requantized)
      if (have == q) return id;
    const bool usual = q == quant_of(v);
    const ValueId id = add_value(v, DType::int8, q, usual ? "_int8" : "_requantized");
    add_op(OpKind::QUANTIZE, {f.made_integer ? f.integer : as_is(v)}, id);
    if (usual)
      f.integer = id;
    else
      f.requantized.emplace_back(q, id);
    return id;
  }

  ValueId integer_constant(ValueId v, const Quantization& q, const TensorRule& rule) {
    Forms& f = forms(v);
    const DType type = dtype_under(rule);
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
    if (form.kind != Kind::int8) {
      for (ValueId& v : n.inputs)
        v = v != kNoValue && old_value(v).dtype == DType::float32 ? real(v) : as_is(v);
    } else {
      const OpSpec* spec = find_spec(old.kind);
      const QuantRule& rules = quant_rule(*spec, old);
      n.version = std::max(n.version, spec->version_int8);
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        const ValueId v = old.inputs[i];
        if (v == kNoValue || form.inputs[i].empty())
          n.inputs[i] = v != kNoValue && old_value(v).dtype == DType::float32 ? real(v) : as_is(v);
        else if (old_value(v).is_variable)
          n.inputs[i] = state(v, form.inputs[i], rules.input(i));
        else if (old_value(v).is_constant())
          n.inputs[i] = integer_constant(v, form.inputs[i], rules.input(i));
        else
          n.inputs[i] = integer(v, form.inputs[i]);
      }
    }
    if (form.kind == Kind::int8 && !form.intermediates.empty())
      add_intermediates(n, form);
    else
      for (ValueId& v : n.intermediates)
        v = as_is(v);
    const Activation clamp = take_clamp(n, form);
    for (size_t j = 0; j < old.outputs.size(); ++j) {
      const ValueId v = old.outputs[j];
      if (v == kNoValue) continue;
      const bool is_integer = form.kind == Kind::int8 && !form.outputs[j].empty();
      if (clamp.none() || j != 0) {
        n.outputs[j] = add_output_of_node(v, is_integer);
        continue;
      }
      // The clamp becomes operators of its own, which produce the value in the node's place.
      const Quantization q = is_integer ? form.outputs[j] : Quantization();
      const ValueId before = add_value(v, is_integer ? DType::int8 : DType::float32, q, "_unclamped");
      n.outputs[j] = before;
      push_node(n, id);
      add_clamp(before, v, is_integer, clamp);
      return;
    }
    push_node(std::move(n), id);
  }

  // They are records of a quantization without data. Those that nobody uses are float, without parameters.
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
    f.integer =
        add_value(v, DType::int8, quant_of(v), is_output_.contains(v) && io_ == Io::keep ? "_int8" : "");
    return f.integer;
  }

  // No file format has a code for a general clamp. Where int8 saturates at its bounds anyway it just goes;
  // else it is returned, to be spelled out.
  static Activation take_clamp(Node& n, const NodeForm& form) {
    Activation* act = activation_of(n.attrs);
    if (act == nullptr || act->kind != Activation::Kind::clamp) return {};
    const Activation clamp = *act;
    *act = Activation();
    if (form.kind == Kind::int8 && !form.outputs[0].empty()) {
      const QuantBounds b = bounds_of(clamp, DType::int8, form.outputs[0].at());
      if (b.lo == -128 && b.hi == 127) return {};
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
        value.constant = quantize_constant(value, value.quant, DType::int8, false);
        value.dtype = DType::int8;
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
  const Assignment& a_;
  Io io_;
  Graph out_;
  std::vector<NodeId> source_;
  std::vector<Forms> forms_;
  std::set<ValueId> is_output_;
  std::set<std::string> names_;
};

}  // namespace

Result<Materialized> materialize(const Graph& g, const Assignment& assignment, Io io) {
  if (assignment.nodes.size() != g.nodes.size() || assignment.values.size() != g.values.size())
    return Status::internal("the assignment belongs to another graph");
  return Builder(g, assignment, io).run();
}

}  // namespace octet
