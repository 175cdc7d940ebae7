#include "quant/portable.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>

#include "graph/rewriter.hpp"
#include "kernels/node_runner.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using RuleKind = TensorRule::Kind;

Forms forms_of(const OpSpec& spec, Reader reader) {
  switch (reader) {
    case Reader::tflite: return spec.readers.tflite;
    case Reader::tflite_micro: return spec.readers.micro;
    case Reader::int8_only: return {false, spec.readers.tflite.int8, false};
    case Reader::octet: break;
  }
  return kEveryForm;
}

bool is_byte_type(DType t) {
  return t == DType::int8 || t == DType::uint8;
}

// The type of the activations of an operator that computes in integers; float32 for all others.
DType activations_of(const Graph& g, const Node& n, const QuantRule& rules) {
  for (const bool is_input : {false, true}) {
    const auto& ids = is_input ? n.inputs : n.outputs;
    for (size_t i = 0; i < ids.size(); ++i) {
      const RuleKind rule = (is_input ? rules.input(i) : rules.output(i)).kind;
      if (ids[i] == kNoValue || rule == RuleKind::keep || rule == RuleKind::weights || rule == RuleKind::bias)
        continue;
      const Value& v = g.value(ids[i]);
      if (v.quant && (is_byte_type(v.dtype) || v.dtype == DType::int16)) return v.dtype;
    }
  }
  return DType::float32;
}

// Rebuilds a graph node by node.
class Converter {
 public:
  Converter(Graph& g, Reader reader) : g_(g), reader_(reader), real_(g.values.size(), kNoValue) {
    for (const Value& v : g.values)
      names_.insert(v.name);
  }

  void run() {
    std::vector<Node> nodes = std::move(g_.nodes);
    g_.nodes.clear();
    for (Node& n : nodes)
      convert(std::move(n));
    // Constants that nobody reads as integers any more.
    remove_dead(g_);
  }

 private:
  std::string unique(std::string name) {
    while (!names_.insert(name).second)
      name += "_";
    return name;
  }

  ValueId add_float(ValueId like) {
    Value v = g_.value(like);
    v.name = unique(v.name + "_real");
    v.dtype = DType::float32;
    v.quant = {};
    v.constant = {};
    v.is_variable = false;
    return g_.add_value(std::move(v));
  }

  void add_conversion(OpKind kind, ValueId from, ValueId to) {
    const OpSpec& spec = *find_spec(kind);
    Node n;
    n.kind = kind;
    n.inputs = {from};
    n.outputs = {to};
    const DType integer = g_.value(kind == OpKind::QUANTIZE ? to : from).dtype;
    n.version = integer == DType::int16 ? spec.version_int16 : spec.version_int8;
    g_.nodes.push_back(std::move(n));
  }

  ValueId real_of(ValueId v) {
    if (real_.size() <= static_cast<size_t>(v)) real_.resize(static_cast<size_t>(v) + 1, kNoValue);
    if (real_[static_cast<size_t>(v)] != kNoValue) return real_[static_cast<size_t>(v)];
    const ValueId real = add_float(v);
    // No reader has a DEQUANTIZE of the types that biases have.
    if (const Value& from = g_.value(v);
        from.is_constant() && !is_byte_type(from.dtype) && from.dtype != DType::int16) {
      g_.value(real).constant = real_bias(from);
      g_.value(real).name = from.name;
    } else {
      add_conversion(OpKind::DEQUANTIZE, v, real);
    }
    return real_[static_cast<size_t>(v)] = real;
  }

  static Constant real_bias(const Value& bias) {
    std::vector<float> reals;
    const auto add = [&](auto integers) {
      for (size_t c = 0; c < integers.size(); ++c)
        reals.push_back(static_cast<float>(
            static_cast<double>(integers[c]) *
            static_cast<double>(bias.quant.at(bias.quant.is_per_channel() ? c : 0).scale)));
    };
    if (bias.dtype == DType::int64)
      add(bias.constant.as<int64_t>());
    else
      add(bias.constant.as<int32_t>());
    return Constant::of(reals);
  }

  bool takes(const OpSpec& spec, const Node& n) {
    if (spec.readers.takes == nullptr) return true;
    while (shapes_.size() < g_.values.size())
      shapes_.push_back(g_.values[shapes_.size()].shape);
    return spec.readers.takes(describe(g_, n, shapes_).desc(n));
  }

  // With 16-bit activations readers want the bias of a convolution, even if it is 0.
  void complete_bias(const OpSpec& spec, Node& n) {
    if (!spec.linear || !spec.traits.has(Trait::windowed)) return;
    const LinearForm& form = *spec.linear;
    if (n.input(form.bias) != kNoValue) return;
    const Value& w = g_.value(n.inputs[form.weights]);
    const float x = g_.value(n.inputs[form.x]).quant.scale();
    std::vector<Affine> scales;
    for (const Affine& a : w.quant.params())
      scales.push_back({x * a.scale, 0});
    Value bias;
    bias.name = unique(w.name + "_bias");
    bias.dtype = DType::int64;
    bias.shape = Shape{g_.value(n.outputs[0]).shape[-1]};
    bias.quant = w.quant.is_per_channel() ? Quantization::per_channel(0, std::move(scales))
                                          : Quantization::per_tensor(scales[0]);
    bias.constant = Constant::of(std::vector<int64_t>(static_cast<size_t>(bias.shape[0])));
    n.inputs.resize(std::max(n.inputs.size(), form.bias + 1), kNoValue);
    n.inputs[form.bias] = g_.add_value(std::move(bias));
  }

  void convert(Node n) {
    const OpSpec* spec = find_spec(n.kind);
    if (n.kind == OpKind::QUANTIZE) {
      const Value &x = g_.value(n.inputs[0]), &y = g_.value(n.outputs[0]);
      // Readers widen no integers.
      if (is_byte_type(x.dtype) && y.dtype == DType::int16)
        add_conversion(OpKind::QUANTIZE, real_of(n.inputs[0]), n.outputs[0]);
      else
        g_.nodes.push_back(std::move(n));
      return;
    }
    const QuantRule* rules = spec != nullptr ? &quant_rule(*spec, n) : nullptr;
    if (rules == nullptr || !rules->has_int8 || n.kind == OpKind::DEQUANTIZE) {
      g_.nodes.push_back(std::move(n));
      return;
    }
    const DType type = activations_of(g_, n, *rules);
    const Forms forms = forms_of(*spec, reader_);
    if (is_float(type) || (forms.has(type) && takes(*spec, n)) || !forms.float32) {
      if (type == DType::int16) complete_bias(*spec, n);
      g_.nodes.push_back(std::move(n));
      return;
    }
    std::vector<ValueId> quantized;
    for (size_t i = 0; i < n.inputs.size(); ++i)
      if (n.inputs[i] != kNoValue && g_.value(n.inputs[i]).quant && rules->input(i).kind != RuleKind::keep)
        n.inputs[i] = real_of(n.inputs[i]);
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      const ValueId out = n.outputs[i];
      if (!g_.value(out).quant || rules->output(i).kind == RuleKind::keep) continue;
      quantized.push_back(out);
      n.outputs[i] = add_float(out);
    }
    n.version = spec->version_float;
    const std::vector<ValueId> reals = n.outputs;
    g_.nodes.push_back(std::move(n));
    size_t next = 0;
    for (const ValueId real : reals)
      if (next < quantized.size() && is_float(g_.value(real).dtype))
        add_conversion(OpKind::QUANTIZE, real, quantized[next++]);
  }

  Graph& g_;
  Reader reader_;
  std::vector<ValueId> real_;  // per value: what a DEQUANTIZE made of it
  std::vector<Shape> shapes_;
  std::set<std::string> names_;
};

// What accelerators cannot have, in words.
Status check_int8_alone(const Graph& g) {
  std::vector<std::string> odd;
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (n.kind == OpKind::QUANTIZE || n.kind == OpKind::DEQUANTIZE) continue;
    const OpSpec* spec = find_spec(n.kind);
    const auto others_take = [&] {
      return spec->readers.takes == nullptr || spec->readers.takes(describe(g, n, shapes).desc(n));
    };
    const bool wide = std::ranges::any_of(n.outputs, [&](ValueId v) {
      return v != kNoValue && g.value(v).dtype == DType::int16 && g.value(v).quant;
    });
    const char* why = nullptr;
    if (computes_in_float(g, n))
      why = "float";
    else if (wide)
      why = "int16";
    else if (spec != nullptr && spec->quant.has_int8 && quant_rule(*spec, n).has_int8 &&
             !is_float(activations_of(g, n, quant_rule(*spec, n))) &&
             (!spec->readers.tflite.int8 || !others_take()))
      why = "no int8 form outside of Octet";
    if (why != nullptr)
      odd.push_back(fmt::format("{} '{}' ({})", name_of(n.kind), node_name(g, static_cast<NodeId>(i)), why));
  }
  if (odd.empty()) return {};
  return Status::invalid(
      fmt::format("not for accelerators, which have int8 alone: {}", fmt::join(odd, ", ")));
}

}  // namespace

bool computes_in_float(const Graph& g, const Node& n) {
  if (n.kind == OpKind::QUANTIZE || n.kind == OpKind::DEQUANTIZE) return false;
  const auto real = [&](ValueId v) { return v != kNoValue && is_float(g.value(v).dtype); };
  return std::ranges::any_of(n.outputs, real) ||
         std::ranges::any_of(n.inputs, [&](ValueId v) { return real(v) && !g.value(v).is_constant(); });
}

Status make_portable(Graph& g, Reader reader) {
  if (reader == Reader::int8_only) return check_int8_alone(g);
  if (reader != Reader::octet) Converter(g, reader).run();
  return {};
}

Status make_portable(ModelData& m, Reader reader) {
  for (Graph& g : m.graphs)
    OCTET_TRY(make_portable(g, reader));
  return {};
}

Result<ModelData> integer_form(const ModelData& file) {
  ModelData m = file;
  for (Graph& g : m.graphs)
    OCTET_TRY(as_declared(g).status());
  return m;
}

Result<Reader> reader_behind(const ModelData& file) {
  OCTET_ASSIGN(const ModelData integers, integer_form(file));
  for (const Reader reader : {Reader::octet, Reader::tflite}) {
    ModelData m = integers;
    OCTET_TRY(make_portable(m, reader));
    const auto size = [](const Graph& g) { return g.nodes.size(); };
    if (std::ranges::equal(m.graphs, file.graphs, {}, size, size)) return reader;
  }
  return Reader::tflite_micro;
}

int count_float_operators(const ModelData& m) {
  int count = 0;
  for (const Graph& g : m.graphs)
    for (const Node& n : g.nodes)
      if (computes_in_float(g, n)) ++count;
  return count;
}

std::vector<std::string> unknown_operators(const ModelData& m, Reader reader) {
  std::set<std::string> kinds;
  for (const Graph& g : m.graphs)
    for (const Node& n : g.nodes)
      if (const OpSpec* spec = find_spec(n.kind); spec != nullptr && n.kind != OpKind::CUSTOM) {
        const OtherReaders& r = spec->readers;
        if (!(reader == Reader::tflite_micro ? r.micro : r.tflite).any() && reader != Reader::octet)
          kinds.insert(kind_name(n));
      }
  return {kinds.begin(), kinds.end()};
}

}  // namespace octet
