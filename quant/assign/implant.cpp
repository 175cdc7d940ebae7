#include "quant/assign/implant.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/assign/assign_weights.hpp"
#include "quant/assign/document.hpp"
#include "quant/assign/scales.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/pipeline.hpp"
#include "quant/portable.hpp"
#include "schema/core/int_range.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

using Kind = TensorRule::Kind;

bool is_whole(DType t) {
  return is_quantizable(t) || t == DType::uint16 || t == DType::uint32 || t == DType::uint64;
}

// Does anything that is computed or given have a scale?
bool is_quantized(const Graph& g) {
  return std::any_of(g.values.begin(), g.values.end(),
                     [](const Value& v) { return v.quant && !is_float(v.dtype) && !v.is_constant(); });
}

Status check_parameters(const TensorParameters& p, DType type, const Shape& shape) {
  const IntRange range = range_of(type);
  for (const Affine& a : p.quant.params())
    if (a.zero_point < range.lo || a.zero_point > range.hi)
      return Status::invalid(fmt::format("zero point {} is outside {}", a.zero_point, name_of(type)));
  if (!p.quant.is_per_channel()) return {};
  const int axis = *p.quant.axis();
  if (axis >= shape.rank() || shape[axis] != static_cast<int64_t>(p.quant.params().size()))
    return Status::invalid(
        fmt::format("{} scales along axis {} of shape {}", p.quant.params().size(), axis, shape.to_string()));
  return {};
}

// Puts parameters into the tensor that they name.
Status replace(const TensorParameters& p, Value& v, ImplantedData& counts) {
  const DType type = p.dtype.value_or(v.dtype);
  const bool becomes_whole = type != v.dtype && v.dtype == DType::float32 && is_quantizable(type);
  if (type != v.dtype && !becomes_whole)
    return Status::invalid(fmt::format("is {}, the parameters say {}", name_of(v.dtype), name_of(type)));
  if (becomes_whole && !p.quant)
    return Status::invalid(fmt::format("can't become {} without a scale", name_of(type)));
  if (becomes_whole && !v.is_constant())
    return Status::invalid(
        fmt::format("is {} in this quantized model, the parameters say {}", name_of(v.dtype), name_of(type)));
  if (p.quant) OCTET_TRY(check_parameters(p, type, v.shape));
  if (p.has_contents) {
    if (!v.is_constant()) return Status::invalid("is computed: it has no contents that could be replaced");
    if (p.shape != v.shape || static_cast<int64_t>(p.contents.size()) != byte_size(type, v.shape))
      return Status::invalid(fmt::format("its contents are {} {} in {} bytes, the model has {}",
                                         p.shape.to_string(), name_of(type), p.contents.size(),
                                         v.shape.to_string()));
    v.constant = Constant::copy_of(p.contents);
    ++counts.contents;
  } else if (becomes_whole) {
    v.constant = quantize_constant(v, p.quant, type, p.quant.is_per_channel());
    ++counts.contents;
  }
  v.dtype = type;
  // A file does not tell one scale for the only channel from one scale for all: that stays as it is.
  const bool same = v.quant.block() == p.quant.block() && v.quant.params().size() == 1 &&
                    std::ranges::equal(v.quant.params(), p.quant.params());
  if (!same) v.quant = p.quant;
  return {};
}

Result<Value*> find(Graph& g, const TensorParameters& p) {
  if (p.index && *p.index < g.values.size() && g.values[*p.index].name == p.name) return &g.values[*p.index];
  Value* found = nullptr;
  for (Value& v : g.values) {
    if (v.name != p.name) continue;
    if (found != nullptr) return Status::invalid("several tensors have this name; give its index");
    found = &v;
  }
  if (found == nullptr) return Status::invalid("the model has no such tensor");
  return found;
}

// Parameters as the assignment of a prepared float graph.
class AssignmentMaker {
 public:
  AssignmentMaker(const Graph& g, const ModelParameters& p) : g_(g) {
    for (const TensorParameters& t : p.tensors)
      if (t.graph == 0) tensors_.emplace(t.name, &t);
    for (const OperatorPorts& o : p.operators)
      for (const std::string& output : o.outputs)
        if (!output.empty()) producers_.emplace(output, &o);
    a_.nodes.resize(g.nodes.size());
    for (auto* list : {&a_.values, &a_.narrow})
      list->resize(g.values.size());
    a_.types.assign(g.values.size(), DType::int8);
  }

  Status run() {
    for (size_t n = 0; n < g_.nodes.size(); ++n)
      OCTET_TRY(decide(static_cast<NodeId>(n)).at(node_name(g_, static_cast<NodeId>(n))));
    for (ValueId v : g_.inputs)
      find_input(v);
    for (size_t n = 0; n < g_.nodes.size(); ++n)
      if (is_integer(n)) OCTET_TRY(fill(static_cast<NodeId>(n)));
    for (const auto* border : {&g_.inputs, &g_.outputs})
      for (ValueId v : *border)
        find_border(v);
    return {};
  }
  const GraphAssignment& assignment() const { return a_; }
  // Types of inputs and outputs: integers where all that can be have parameters of their own name.
  Io io() const {
    std::optional<DType> type;
    for (const auto* border : {&g_.inputs, &g_.outputs})
      for (ValueId v : *border) {
        if (g_.value(v).dtype != DType::float32 || !a_.values[static_cast<size_t>(v)]) continue;
        const TensorParameters* own = named(g_.value(v).name);
        // An output that has another type inside has a form with that type's name at the border.
        if (border == &g_.outputs && own != nullptr && own->dtype == a_.types[static_cast<size_t>(v)])
          for (const char* suffix : {"_int8", "_uint8", "_int16"})
            if (const auto* other = named(g_.value(v).name + suffix)) own = other;
        if (own == nullptr || !own->dtype || (type && *type != *own->dtype)) return Io::keep;
        type = own->dtype;
      }
    return !type                   ? Io::keep
           : *type == DType::int8  ? Io::int8
           : *type == DType::uint8 ? Io::uint8
           : *type == DType::int16 ? Io::int16
                                   : Io::keep;
  }
  int64_t biases() const { return biases_; }

 private:
  bool is_integer(size_t n) const { return a_.nodes[n].kind == NodeForm::Kind::integer; }
  bool is_real(ValueId v) const { return v != kNoValue && g_.value(v).dtype == DType::float32; }

  const TensorParameters* named(const std::string& name) const {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : it->second;
  }
  // Parameters of this name with which an operator computes.
  const TensorParameters* activation(const std::string& name) const {
    const TensorParameters* t = named(name);
    const bool fits = t != nullptr && t->quant && (t->dtype == DType::int8 || t->dtype == DType::int16);
    return fits ? t : nullptr;
  }
  // The names that a tensor's integer form may have. What was clamped has another one, before.
  const TensorParameters* form_of(ValueId v) const {
    for (const char* suffix : {"", "_int16", "_int8", "_unclamped"})
      if (const TensorParameters* t = activation(g_.value(v).name + suffix)) return t;
    return nullptr;
  }
  // The operator of the quantized model that a node became.
  const OperatorPorts* ports_of(const Node& node) const {
    for (ValueId v : node.outputs) {
      if (v == kNoValue) continue;
      for (const char* suffix : {"_unclamped", "", "_int16", "_int8"})
        if (const auto it = producers_.find(g_.value(v).name + suffix);
            it != producers_.end() && it->second->kind == kind_name(node))
          return it->second;
    }
    return nullptr;
  }

  Status decide(NodeId id) {
    const Node& node = g_.nodes[static_cast<size_t>(id)];
    NodeForm& f = a_.nodes[static_cast<size_t>(id)];
    const auto any_float = [&](const std::vector<ValueId>& ids) {
      return std::any_of(ids.begin(), ids.end(),
                         [&](ValueId v) { return v != kNoValue && is_float(g_.value(v).dtype); });
    };
    const OpSpec* spec = find_spec(node.kind);
    const bool stores = spec != nullptr && spec->access != VariableAccess::none;
    if (stores || (!any_float(node.inputs) && !any_float(node.outputs))) {
      f.kind = NodeForm::Kind::untouched;
      return {};
    }
    f.kind = NodeForm::Kind::floating;
    f.reason = "has no parameters";
    if (spec == nullptr || !quant_rule(*spec, node).has_int8) return {};
    const TensorParameters* t = nullptr;
    const OperatorPorts* ports = ports_of(node);
    if (ports != nullptr) {
      for (const auto* list : {&ports->outputs, &ports->inputs})
        for (size_t i = 0; i < list->size() && t == nullptr; ++i) {
          const auto& ids = list == &ports->outputs ? node.outputs : node.inputs;
          const bool moving = i < ids.size() && is_real(ids[i]) && !g_.value(ids[i]).is_constant();
          if (moving) t = activation((*list)[i]);
        }
    } else {
      for (ValueId v : node.outputs)
        if (t == nullptr && is_real(v)) t = form_of(v);
    }
    if (t == nullptr) return {};
    f.kind = NodeForm::Kind::integer;
    f.reason.clear();
    f.type = *t->dtype;
    f.inputs.resize(node.inputs.size());
    f.outputs.resize(node.outputs.size());
    const QuantRule& rules = quant_rule(*spec, node);
    if (!rules.intermediates.empty() && ports == nullptr)
      return Status::unsupported("needs the list of operators that extract writes");
    for (size_t j = 0; j < node.outputs.size(); ++j) {
      const ValueId v = node.outputs[j];
      if (!is_real(v) || rules.output(j).kind == Kind::keep) continue;
      const TensorParameters* out =
          ports != nullptr && j < ports->outputs.size() ? activation(ports->outputs[j]) : form_of(v);
      if (out == nullptr) return Status::invalid(fmt::format("tensor '{}' has no scale", g_.value(v).name));
      f.outputs[j] = a_.values[static_cast<size_t>(v)] = out->quant;
      a_.types[static_cast<size_t>(v)] = f.type;
    }
    if (ports != nullptr)
      for (const std::string& name : ports->intermediates) {
        const TensorParameters* inner = named(name);
        f.intermediates.push_back(inner != nullptr ? inner->quant : Quantization());
      }
    return {};
  }

  // How an input of the graph is held inside: 16 bits where any reader has them.
  void find_input(ValueId v) {
    if (!is_real(v)) return;
    DType type = DType::int8;
    for (size_t n = 0; n < g_.nodes.size(); ++n) {
      const auto& in = g_.nodes[n].inputs;
      if (is_integer(n) && a_.nodes[n].type == DType::int16 && std::find(in.begin(), in.end(), v) != in.end())
        type = DType::int16;
    }
    const std::string& name = g_.value(v).name;
    for (const std::string& form : {name + (type == DType::int16 ? "_int16" : "_int8"), name})
      if (const TensorParameters* t = activation(form); t != nullptr && *t->dtype == type) {
        a_.values[static_cast<size_t>(v)] = t->quant;
        a_.types[static_cast<size_t>(v)] = type;
        return;
      }
  }

  Status fill(NodeId id) {
    const Node& node = g_.nodes[static_cast<size_t>(id)];
    NodeForm& f = a_.nodes[static_cast<size_t>(id)];
    const QuantRule& rules = quant_rule(*find_spec(node.kind), node);
    const OperatorPorts* ports = ports_of(node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId v = node.inputs[i];
      const TensorRule& rule = rules.input(i);
      if (!is_real(v) || rule.kind == Kind::keep) continue;
      const Value& value = g_.value(v);
      const TensorParameters* t =
          ports != nullptr && i < ports->inputs.size() ? named(ports->inputs[i]) : named(value.name);
      if (t != nullptr && t->quant && t->dtype != DType::uint8) {
        OCTET_TRY(check_parameters(*t, t->dtype.value_or(value.dtype), value.shape)
                      .at(fmt::format("tensor '{}'", value.name)));
        f.inputs[i] = t->quant;
        const bool single = is_weights(rule) && rule.a >= 0 && rule.a < value.shape.rank() &&
                            value.shape[rule.a] == 1 && t->quant.params().size() == 1;
        if (single) f.inputs[i] = Quantization::per_channel(rule.a, {t->quant.at()});
        continue;
      }
      if (!value.is_constant() && !value.is_variable) f.inputs[i] = a_.values[static_cast<size_t>(v)];
      if (f.inputs[i]) continue;
      if (rule.kind == Kind::bias) {
        ++biases_;
        continue;
      }
      return Status::invalid(
          fmt::format("tensor '{}': has no scale, but '{}' that is computed from it has one", value.name,
                      node_name(g_, id)));
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      // What a float operator or the graph's input gives is held as its first reader wants it.
      const ValueId v = node.inputs[i];
      if (!is_real(v) || g_.value(v).is_constant() || g_.value(v).is_variable || !f.inputs[i]) continue;
      Quantization& held = a_.values[static_cast<size_t>(v)];
      if (held) continue;
      held = f.inputs[i];
      a_.types[static_cast<size_t>(v)] = f.type;
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const TensorRule& rule = rules.input(i);
      if (rule.kind == Kind::bias && is_real(node.inputs[i]) && !f.inputs[i] && rule.b >= 0 &&
          !f.inputs[static_cast<size_t>(rule.b)])
        return Status::invalid(fmt::format("tensor '{}': neither it nor the weights have scales",
                                           g_.value(node.inputs[i]).name));
    }
    assign_biases(g_, node, rules, f);
    return {};
  }

  // 8 bits of an input or output that has 16 inside.
  void find_border(ValueId v) {
    if (!is_real(v) || !a_.values[static_cast<size_t>(v)] || a_.types[static_cast<size_t>(v)] != DType::int16)
      return;
    for (const char* suffix : {"_int8", "_uint8", ""}) {
      const TensorParameters* t = named(g_.value(v).name + suffix);
      if (t == nullptr || !t->quant || (t->dtype != DType::int8 && t->dtype != DType::uint8)) continue;
      Affine a = t->quant.at();
      if (t->dtype == DType::uint8) a.zero_point -= 128;
      a_.narrow[static_cast<size_t>(v)] = Quantization::per_tensor(a);
      return;
    }
  }

  const Graph& g_;
  std::map<std::string, const TensorParameters*> tensors_;
  std::map<std::string, const OperatorPorts*> producers_;  // by the names of outputs
  GraphAssignment a_;
  int64_t biases_ = 0;
};

Result<ImplantedData> into_float(const ModelData& source, const ModelParameters& parameters) {
  Recipe recipe;
  // What these change is in the contents.
  recipe.equalize = recipe.spare_channels = recipe.balance = false;
  OCTET_ASSIGN(PreparedModel prepared, prepare(source, recipe));
  if (!parameters.channel_exponents.empty()) {
    OCTET_ASSIGN(prepared, balance_with(prepared, parameters.channel_exponents));
  }
  const Graph& g = prepared.graph();
  AssignmentMaker maker(g, parameters);
  OCTET_TRY(maker.run());
  recipe.io = maker.io();
  const AssignmentDocument document =
      document_of(g, maker.assignment(), recipe, parameters.channel_exponents);
  OCTET_ASSIGN(const Candidate c, candidate_of(source, document));
  auto model = std::make_shared<ModelData>(*c.quantized.model);
  ImplantedData done;
  done.biases = maker.biases();
  for (const TensorParameters& p : parameters.tensors) {
    const std::string place = fmt::format("tensor '{}'", p.name);
    if (p.graph >= model->graphs.size())
      return Status::invalid(fmt::format("{}: there is no subgraph {}", place, p.graph));
    Graph& into = model->graphs[p.graph];
    TensorParameters by_name = p;
    if (p.graph == 0) by_name.index.reset();
    OCTET_ASSIGN(Value* const v, find(into, by_name).at(place));
    ++done.tensors;
    if (v->is_constant() || p.graph > 0 || p.has_contents) OCTET_TRY(replace(p, *v, done).at(place));
  }
  OCTET_TRY(make_portable(*model, parameters.reader));
  OCTET_TRY(validate(*model));
  done.model = std::move(model);
  return done;
}

Result<ImplantedData> into_quantized(const ModelData& source, const ModelParameters& parameters) {
  OCTET_ASSIGN(const Reader reader, reader_behind(source));
  OCTET_ASSIGN(ModelData integers, integer_form(source));
  auto model = std::make_shared<ModelData>(std::move(integers));
  ImplantedData done;
  for (const TensorParameters& p : parameters.tensors) {
    const std::string place = fmt::format("tensor '{}'", p.name);
    if (p.graph >= model->graphs.size())
      return Status::invalid(fmt::format("{}: there is no subgraph {}", place, p.graph));
    OCTET_ASSIGN(Value* const v, find(model->graphs[p.graph], p).at(place));
    OCTET_TRY(replace(p, *v, done).at(place));
    ++done.tensors;
  }
  OCTET_TRY(make_portable(*model, reader));
  OCTET_TRY(validate(*model));
  done.model = std::move(model);
  return done;
}

}  // namespace

Result<ModelParameters> parameters_of(const ModelData& file) {
  ModelParameters parameters;
  OCTET_ASSIGN(parameters.reader, reader_behind(file));
  OCTET_ASSIGN(const ModelData model, integer_form(file));
  const bool in_part = is_quantized(model.main());
  for (size_t g = 0; g < model.graphs.size(); ++g)
    for (size_t i = 0; i < model.graphs[g].values.size(); ++i) {
      const Value& v = model.graphs[g].values[i];
      const bool has_contents =
          v.is_constant() && (is_whole(v.dtype) || (in_part && g == 0 && v.dtype == DType::float32));
      if (!v.quant && !has_contents) continue;
      TensorParameters p{v.name, g, i, v.dtype, v.shape, v.quant, has_contents, {}};
      if (has_contents) p.contents.assign(v.constant.bytes().begin(), v.constant.bytes().end());
      parameters.tensors.push_back(std::move(p));
    }
  parameters.channel_exponents = exponents_of(model);
  const Graph& g = model.main();
  const auto names = [&](const std::vector<ValueId>& ids) {
    std::vector<std::string> list;
    for (ValueId v : ids)
      list.push_back(v == kNoValue ? "" : g.value(v).name);
    return list;
  };
  for (const Node& n : g.nodes)
    parameters.operators.push_back({kind_name(n), names(n.inputs), names(n.outputs), names(n.intermediates)});
  return parameters;
}

Result<ImplantedData> implant(const ModelData& source, const ModelParameters& parameters) {
  const bool quantized = std::any_of(source.graphs.begin(), source.graphs.end(), is_quantized);
  const bool activations =
      std::any_of(parameters.tensors.begin(), parameters.tensors.end(), [&](const TensorParameters& p) {
        return p.dtype && p.quant && (p.dtype == DType::int8 || p.dtype == DType::int16) && !p.has_contents;
      });
  return quantized || !activations ? into_quantized(source, parameters) : into_float(source, parameters);
}

}  // namespace octet
