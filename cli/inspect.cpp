// octet inspect: what a model consists of, and which kernel would run each operator and why.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <map>

#include "cli/args.hpp"
#include "cli/model_files.hpp"
#include "cli/session.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "runtime/plan.hpp"

namespace octet {
namespace {

struct InspectArgs {
  std::string model;
  bool tensors = false;
  std::vector<std::string> resize;
  ExecArgs exec;
};

// How one operator of the file would run.
struct Fate {
  std::string kernel;  // empty: can't be run
  std::string why;
};

// The planned model, or why there is none.
struct Planned {
  std::shared_ptr<const ExecutionPlan> plan;
  std::string error;
};

Planned plan_of(const ModelData& model, const InspectArgs& args) {
  Planned p;
  const EntryPoint entry = *entry_point(model, "");
  auto inputs = resized_inputs(model, entry, args.resize);
  ExecutionPlanOptions options{.backend = args.exec.options().backend};
  if (!args.resize.empty() && inputs.ok())
    for (const InputSpec& in : *inputs)
      options.input_shapes.push_back(in.shape);
  ThreadPool pool(1);
  auto prepared = make_plan(model.main(), options, pool);
  if (prepared.ok())
    p.plan = prepared->plan;
  else
    p.error = prepared.status().message();
  return p;
}

std::vector<Fate> fates_of(const Graph& g, const Planned& planned) {
  std::vector<Fate> fates(g.nodes.size());
  if (!planned.plan) {
    for (Fate& f : fates)
      f.why = planned.error;
    return fates;
  }
  const Graph& run = planned.plan->graph;
  std::map<std::string, const Step*> by_name;    // a step by the name of its node
  std::map<std::string, const Step*> by_origin;  // and by those of the operators it absorbed
  for (const Step& s : planned.plan->steps) {
    by_name[node_name(run, s.node)] = &s;
    for (const std::string& o : run.nodes[static_cast<size_t>(s.node)].origins)
      by_origin[o] = &s;
  }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const std::string name = node_name(g, static_cast<NodeId>(i));
    const auto own = by_name.find(name), absorbed = by_origin.find(name);
    Fate& f = fates[i];
    const Node* host = own != by_name.end() ? &run.nodes[static_cast<size_t>(own->second->node)] : nullptr;
    if (host != nullptr && host->kind == g.nodes[i].kind) {
      const Step& s = *own->second;
      f.why = s.why;
      if (s.elided)
        f.kernel = "none", f.why = "input and output share storage";
      else if (s.by_runtime)
        f.kernel = "runtime";
      else if (s.late)
        f.kernel = "late", f.why = "its shapes depend on data: prepared anew in every run";
      else
        f.kernel = s.impl == nullptr ? "none" : std::string(s.impl->name);
    } else if (host != nullptr || absorbed != by_origin.end()) {
      const Step& s = host != nullptr ? *own->second : *absorbed->second;
      f.kernel = "fused";
      f.why = "part of " + label(run, s.node);
    } else {
      f.kernel = "folded";
      f.why = "computed when the model is loaded, or not needed";
    }
  }
  return fates;
}

Json quant_json(const Quantization& q) {
  if (!q) return nullptr;
  Json scale = Json::array(), zero = Json::array();
  for (const Affine& a : q.params())
    scale.push_back(a.scale), zero.push_back(a.zero_point);
  return {{"scale", scale},
          {"zero_point", zero},
          {"axis", q.axis() ? Json(*q.axis()) : Json(nullptr)},
          {"block", q.is_blockwise() ? Json(q.block()) : Json(nullptr)}};
}

std::string quant_text(const Quantization& q) {
  if (!q) return "";
  if (q.is_blockwise()) return fmt::format("{} scales, blocks of {}", q.params().size(), q.block());
  if (q.is_per_channel()) return fmt::format("{} scales, axis {}", q.params().size(), *q.axis());
  return fmt::format("{:.6g} ({}{})", q.scale(), q.zero_point() < 0 ? "" : "+", q.at().zero_point);
}

class Inspector {
 public:
  Inspector(const InspectArgs& args, const ModelData& model)
      : args_(args),
        model_(model),
        g_(model.main()),
        planned_(plan_of(model, args)),
        fates_(fates_of(g_, planned_)) {
    for (const Value& v : g_.values)
      shapes_.push_back(v.shape);
  }

  Json json() const {
    Json ops = Json::array(), counts = Json::object(), graphs = Json::array(), signatures = Json::array();
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      ops.push_back(op_json(i));
    for (const auto& [kind, n] : op_counts())
      counts[kind] = n;
    for (const Graph& g : model_.graphs)
      graphs.push_back({{"name", g.name}, {"ops", g.nodes.size()}, {"tensors", g.values.size()}});
    for (const Signature& s : model_.signatures)
      signatures.push_back({{"key", s.key}, {"graph", s.graph}});
    Json doc = {{"format", std::string(name_of(model_.format))},
                {"file", model_.path},
                {"bytes", model_.file_bytes},
                {"description", model_.description},
                {"inputs", io_json(g_.inputs)},
                {"outputs", io_json(g_.outputs)},
                {"ops", ops},
                {"op_counts", counts},
                {"parameters", parameters()},
                {"macs", macs()},
                {"constant_bytes", constant_bytes()},
                {"arena_bytes", planned_.plan ? Json(planned_.plan->arena_bytes) : Json(nullptr)},
                {"arena_lower_bound", planned_.plan ? Json(planned_.plan->arena_lower_bound) : Json(nullptr)},
                {"error", planned_.plan ? Json(nullptr) : Json(planned_.error)},
                {"graphs", graphs},
                {"signatures", signatures}};
    if (args_.tensors) {
      doc["tensors"] = Json::array();
      for (const Value& v : g_.values)
        doc["tensors"].push_back(tensor_entry(v));
    }
    return doc;
  }

  void text() const {
    print(fmt::format("{}: {}, {}, {} ops, {} parameters, {} MACs", model_.path, name_of(model_.format),
                      bytes_text(model_.file_bytes), g_.nodes.size(), count_text(parameters()),
                      count_text(macs())));
    for (const auto* ids : {&g_.inputs, &g_.outputs})
      for (ValueId id : *ids) {
        const Value& v = g_.value(id);
        print(fmt::format("{} {}: {} {} {}", ids == &g_.inputs ? "input " : "output", v.name,
                          name_of(v.dtype), shape_text(v), quant_text(v.quant)));
      }
    for (const Signature& s : model_.signatures)
      print(fmt::format("signature {}", s.key));
    if (planned_.plan)
      print(fmt::format("arena {} (lower bound {})", bytes_text(planned_.plan->arena_bytes),
                        bytes_text(planned_.plan->arena_lower_bound)));
    else
      print("can't be run: " + planned_.error);
    Table ops({">#", "kind", "name", "type", "shape", ">MACs", "kernel", "why"});
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Node& n = g_.nodes[i];
      const ValueId out = n.outputs.empty() ? kNoValue : n.outputs[0];
      ops.add({std::to_string(i), kind_of(n), shorten(node_name(g_, static_cast<NodeId>(i))),
               dtype_of_node(n), out == kNoValue ? "" : shape_text(g_.value(out)), count_text(macs_of(i)),
               fates_[i].kernel.empty() ? "-" : fates_[i].kernel, planned_.plan ? fates_[i].why : ""});
    }
    if (!ops.empty()) print("\n" + ops.text());
    if (!args_.tensors) return;
    Table tensors({">#", "tensor", "type", "shape", ">bytes", "role", "quantization"});
    for (size_t i = 0; i < g_.values.size(); ++i) {
      const Value& v = g_.values[i];
      tensors.add({std::to_string(i), shorten(v.name), std::string(name_of(v.dtype)), shape_text(v),
                   count_text(byte_size(v.dtype, v.shape)), role_of(v), quant_text(v.quant)});
    }
    print("\n" + tensors.text());
  }

 private:
  static std::string kind_of(const Node& n) {
    if (const auto* c = std::get_if<CustomAttrs>(&n.attrs)) return "CUSTOM:" + c->name;
    if (const auto* u = std::get_if<UnknownAttrs>(&n.attrs)) return u->name;
    return std::string(name_of(n.kind));
  }
  static std::string role_of(const Value& v) {
    return v.is_variable ? "variable" : v.is_constant() ? "constant" : "computed";
  }
  static std::string shape_text(const Value& v) {
    if (!v.has_rank) return "?";
    Shape s = v.shape;
    for (int a = 0; a < s.rank() && static_cast<int>(v.shape_signature.size()) == s.rank(); ++a)
      s[a] = v.shape_signature[static_cast<size_t>(a)] < 0 ? -1 : s[a];
    return s.to_string();
  }
  std::string dtype_of_node(const Node& n) const {
    for (const auto* list : {&n.outputs, &n.inputs})
      for (ValueId v : *list)
        if (v != kNoValue) return std::string(name_of(g_.value(v).dtype));
    return "";
  }
  std::map<std::string, int> op_counts() const {
    std::map<std::string, int> counts;
    for (const Node& n : g_.nodes)
      ++counts[kind_of(n)];
    return counts;
  }

  // By the shapes of the file.
  int64_t macs_of(size_t i) const {
    const Node& n = g_.nodes[i];
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr || spec->macs == nullptr || n.outputs.empty()) return 0;
    const NodeTensors t = describe(g_, n, shapes_);
    // Arity and ranks are the inference's to check; only what it accepts is counted.
    if (!infer_shapes(*spec, t.desc(n)).ok()) return 0;
    return spec->macs(t.desc(n));
  }
  int64_t macs() const {
    int64_t sum = 0;
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (__builtin_add_overflow(sum, macs_of(i), &sum)) return INT64_MAX;
    return sum;
  }
  // Weights and biases; not shapes, axes and indices.
  int64_t parameters() const {
    int64_t n = 0;
    for (const Graph& g : model_.graphs)
      for (const Value& v : g.values)
        if (v.is_constant() && !v.is_variable &&
            (is_float(v.dtype) || v.quant || v.dtype == DType::int8 || v.dtype == DType::int4))
          n += v.shape.elements();
    return n;
  }
  int64_t constant_bytes() const {
    int64_t n = 0;
    for (const Graph& g : model_.graphs)
      for (const Value& v : g.values)
        if (v.is_constant()) n += static_cast<int64_t>(v.constant.bytes().size());
    return n;
  }

  Json op_json(size_t i) const {
    const Node& n = g_.nodes[i];
    const Fate& f = fates_[i];
    Json op = {{"index", i},
               {"kind", kind_of(n)},
               {"name", node_name(g_, static_cast<NodeId>(i))},
               {"kernel", f.kernel.empty() ? Json(nullptr) : Json(f.kernel)},
               {"dtype", dtype_of_node(n)},
               {"macs", macs_of(i)},
               {"why", f.why},
               {"version", n.version}};
    op["inputs"] = names(n.inputs);
    op["outputs"] = names(n.outputs);
    return op;
  }
  Json names(const std::vector<ValueId>& ids) const {
    Json list = Json::array();
    for (ValueId v : ids)
      list.push_back(v == kNoValue ? Json(nullptr) : Json(g_.value(v).name));
    return list;
  }
  Json io_json(const std::vector<ValueId>& ids) const {
    Json list = Json::array();
    for (ValueId id : ids) {
      const Value& v = g_.value(id);
      Json entry = tensor_json(v.name, v.shape, v.dtype);
      entry["shape_signature"] = v.shape_signature.empty() ? Json(nullptr) : Json(v.shape_signature);
      entry["quantization"] = quant_json(v.quant);
      list.push_back(std::move(entry));
    }
    return list;
  }
  static Json tensor_entry(const Value& v) {
    Json entry = tensor_json(v.name, v.shape, v.dtype);
    entry["role"] = role_of(v);
    entry["bytes"] =
        v.is_constant() ? static_cast<int64_t>(v.constant.bytes().size()) : byte_size(v.dtype, v.shape);
    entry["quantization"] = quant_json(v.quant);
    return entry;
  }

  const InspectArgs& args_;
  const ModelData& model_;
  const Graph& g_;
  Planned planned_;
  std::vector<Fate> fates_;
  std::vector<Shape> shapes_;
};

}  // namespace

Action add_inspect(CLI::App& app) {
  auto args = std::make_shared<InspectArgs>();
  add_model_option(app, args->model);
  app.add_flag("--tensors", args->tensors, "List the tensors too");
  app.add_option("--resize-input", args->resize, "New shape of an input: NAME=1x128x128x3, or just the shape")
      ->type_name("NAME=SHAPE")
      ->allow_extra_args(false);
  add_exec_options(app, args->exec);
  app.footer(
      "The kernel column: xnnpack, octet (an own fast kernel), reference; fused (part of another op), folded "
      "(computed at load), none (shares storage), runtime (control flow), late (shapes depend on data).\n"
      "JSON: format, inputs[{name, shape, dtype}], outputs[{name, shape, dtype}], ops[{index, kind, name, "
      "kernel, "
      "dtype, macs}], op_counts{}, parameters, macs; kernel is null in a model that can't be run, error says "
      "why.");
  return [args](Context& context) -> Status {
    OCTET_ASSIGN(const ModelPtr model, load_model(args->model));
    const Inspector inspector(*args, *model);
    if (context.json)
      print_json(inspector.json());
    else
      inspector.text();
    return {};
  };
}

}  // namespace octet
