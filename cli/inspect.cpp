// octet inspect: what a model consists of, and which kernel would run each operator and why.
#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "cli/args.hpp"
#include "cli/model_files.hpp"
#include "cli/session.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct InspectArgs {
  std::string model;
  bool tensors = false;
  std::vector<std::string> resize;
  ExecArgs exec;
};

// The planned model, or why there is none.
struct Planned {
  std::optional<Plan> plan;
  std::string error;
};

Result<Planned> plan_of(const Model& model, const InspectArgs& args) {
  PlanOptions options = args.exec.options();
  options.threads = 1;
  if (!args.resize.empty()) {
    OCTET_ASSIGN(const std::vector<InputSpec> inputs, resized_inputs(model, "", args.resize));
    for (const InputSpec& in : inputs)
      options.input_shapes.emplace_back(in.name, in.shape);
  }
  Planned p;
  auto plan = Plan::create(model, options);
  if (plan.ok()) {
    p.plan = *std::move(plan);
  } else {
    p.error = plan.status().message();
    if (const std::string place = model.path() + ": "; p.error.starts_with(place))
      p.error = p.error.substr(place.size());
  }
  return p;
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
  Inspector(const InspectArgs& args, const Model& model, const Planned& planned)
      : args_(args), model_(model), planned_(planned), g_(model.graph()) {
    if (planned.plan) outcomes_ = planned.plan->outcomes();
  }

  Json json() const {
    Json ops = Json::array(), counts = Json::object(), graphs = Json::array(), signatures = Json::array();
    for (size_t i = 0; i < g_.operators.size(); ++i)
      ops.push_back(op_json(i));
    for (const auto& [kind, n] : op_counts())
      counts[kind] = n;
    for (size_t i = 0; i < model_.graph_count(); ++i) {
      const GraphInfo g = model_.graph(i);
      graphs.push_back({{"name", g.name}, {"ops", g.operators.size()}, {"tensors", g.tensors.size()}});
    }
    for (const Signature& s : model_.signatures())
      signatures.push_back({{"key", s.key}, {"graph", s.graph}});
    const auto& plan = planned_.plan;
    const Types types = operator_types();
    Json doc = {{"format", std::string(name_of(model_.format()))},
                {"file", model_.path()},
                {"bytes", model_.file_bytes()},
                {"description", model_.description()},
                {"inputs", io_json(g_.inputs)},
                {"outputs", io_json(g_.outputs)},
                {"ops", ops},
                {"op_counts", counts},
                {"ops_int8", types.int8},
                {"ops_int16", types.int16},
                {"ops_float", types.real},
                {"ops_float_in_file", types.real_in_file},
                {"parameters", model_.parameters()},
                {"macs", model_.macs()},
                {"constant_bytes", model_.constant_bytes()},
                {"arena_bytes", plan ? Json(plan->arena_bytes()) : Json(nullptr)},
                {"arena_lower_bound", plan ? Json(plan->arena_lower_bound()) : Json(nullptr)},
                {"error", plan ? Json(nullptr) : Json(planned_.error)},
                {"graphs", graphs},
                {"signatures", signatures}};
    if (args_.tensors) {
      doc["tensors"] = Json::array();
      for (const TensorInfo& t : g_.tensors)
        doc["tensors"].push_back(tensor_entry(t));
    }
    return doc;
  }

  void text() const {
    print(fmt::format("{}: {}, {}, {} ops, {} parameters, {} MACs", model_.path(), name_of(model_.format()),
                      bytes_text(model_.file_bytes()), g_.operators.size(), count_text(model_.parameters()),
                      count_text(model_.macs())));
    for (const auto* ids : {&g_.inputs, &g_.outputs})
      for (int32_t id : *ids) {
        const TensorInfo& t = tensor(id);
        print(fmt::format("{} {}: {} {} {}", ids == &g_.inputs ? "input " : "output", t.name,
                          name_of(t.dtype), shape_text(t), quant_text(t.quant)));
      }
    for (const Signature& s : model_.signatures())
      print(fmt::format("signature {}", s.key));
    if (planned_.plan)
      print(fmt::format("arena {} (lower bound {})", bytes_text(planned_.plan->arena_bytes()),
                        bytes_text(planned_.plan->arena_lower_bound())));
    else
      print("can't be run: " + planned_.error);
    const Types types = operator_types();
    print(fmt::format("{} ops in int8, {} in int16, {} in float", types.int8, types.int16, types.real));
    if (types.real_in_file > types.real)
      print(fmt::format("{} stand in the file in float, for readers without an integer form of them",
                        types.real_in_file - types.real));
    Table ops({">#", "kind", "name", "type", "shape", ">MACs", "kernel", "why"});
    for (size_t i = 0; i < g_.operators.size(); ++i) {
      const OperatorInfo& op = g_.operators[i];
      const int32_t out = op.outputs.empty() ? -1 : op.outputs[0];
      ops.add({std::to_string(i), op.kind, shorten(op.name), type_text(i),
               out < 0 ? "" : shape_text(tensor(out)), count_text(op.macs),
               planned_.plan ? outcomes_[i].kernel : "-", planned_.plan ? outcomes_[i].why : ""});
    }
    if (!ops.empty()) print("\n" + ops.text());
    if (!args_.tensors) return;
    Table tensors({">#", "tensor", "type", "shape", ">bytes", "role", "quantization"});
    for (size_t i = 0; i < g_.tensors.size(); ++i) {
      const TensorInfo& t = g_.tensors[i];
      tensors.add({std::to_string(i), shorten(t.name), std::string(name_of(t.dtype)), shape_text(t),
                   count_text(byte_size(t.dtype, t.stored_shape)), role_of(t), quant_text(t.quant)});
    }
    print("\n" + tensors.text());
  }

 private:
  const TensorInfo& tensor(int32_t id) const { return g_.tensors[static_cast<size_t>(id)]; }
  static std::string role_of(const TensorInfo& t) {
    return t.role == TensorRole::variable   ? "variable"
           : t.role == TensorRole::constant ? "constant"
                                            : "computed";
  }
  static std::string shape_text(const TensorInfo& t) { return t.has_rank ? t.shape.to_string() : "?"; }
  std::string dtype_of(const OperatorInfo& op) const {
    for (const auto* list : {&op.outputs, &op.inputs})
      for (int32_t t : *list)
        if (t >= 0) return std::string(name_of(tensor(t).dtype));
    return "";
  }
  std::string type_text(size_t i) const {
    const std::string in_file = dtype_of(g_.operators[i]);
    if (!planned_.plan || !outcomes_[i].dtype || name_of(*outcomes_[i].dtype) == in_file) return in_file;
    return fmt::format("{} (file: {})", name_of(*outcomes_[i].dtype), in_file);
  }

  // Operators by what they compute in, as they run and as the file has it; QUANTIZE and DEQUANTIZE, and those
  // on indices and booleans, do not count.
  struct Types {
    int int8 = 0, int16 = 0, real = 0, real_in_file = 0;
  };
  Types operator_types() const {
    Types types;
    for (size_t i = 0; i < g_.operators.size(); ++i) {
      const OperatorInfo& op = g_.operators[i];
      if (op.kind == "QUANTIZE" || op.kind == "DEQUANTIZE") continue;
      const bool real = is_real(op);
      if (real) ++types.real_in_file;
      const std::string runs =
          planned_.plan && outcomes_[i].dtype ? std::string(name_of(*outcomes_[i].dtype)) : dtype_of(op);
      if (runs == "int16")
        ++types.int16;
      else if (runs == "int8" || runs == "uint8")
        ++types.int8;
      else if (real)
        ++types.real;
    }
    return types;
  }
  bool is_real(const OperatorInfo& op) const {
    const auto real = [&](int32_t t, bool constants) {
      return t >= 0 && is_float(tensor(t).dtype) && (constants || tensor(t).role != TensorRole::constant);
    };
    return std::ranges::any_of(op.outputs, [&](int32_t t) { return real(t, true); }) ||
           std::ranges::any_of(op.inputs, [&](int32_t t) { return real(t, false); });
  }

  std::map<std::string, int> op_counts() const {
    std::map<std::string, int> counts;
    for (const OperatorInfo& op : g_.operators)
      ++counts[op.kind];
    return counts;
  }

  Json op_json(size_t i) const {
    const OperatorInfo& op = g_.operators[i];
    return {{"index", i},
            {"kind", op.kind},
            {"name", op.name},
            {"kernel", planned_.plan ? Json(outcomes_[i].kernel) : Json(nullptr)},
            {"dtype", planned_.plan && outcomes_[i].dtype ? name_of(*outcomes_[i].dtype) : dtype_of(op)},
            {"dtype_in_file", dtype_of(op)},
            {"macs", op.macs},
            {"why", planned_.plan ? outcomes_[i].why : planned_.error},
            {"version", op.version},
            {"inputs", names(op.inputs)},
            {"outputs", names(op.outputs)}};
  }
  Json names(const std::vector<int32_t>& ids) const {
    Json list = Json::array();
    for (int32_t t : ids)
      list.push_back(t < 0 ? Json(nullptr) : Json(tensor(t).name));
    return list;
  }
  Json io_json(const std::vector<int32_t>& ids) const {
    Json list = Json::array();
    for (int32_t id : ids) {
      const TensorInfo& t = tensor(id);
      Json entry = tensor_json(t.name, t.stored_shape, t.dtype);
      entry["shape_signature"] =
          t.shape.is_static() ? Json(nullptr)
                              : Json(std::vector<int32_t>(t.shape.dims().begin(), t.shape.dims().end()));
      entry["quantization"] = quant_json(t.quant);
      list.push_back(std::move(entry));
    }
    return list;
  }
  static Json tensor_entry(const TensorInfo& t) {
    Json entry = tensor_json(t.name, t.stored_shape, t.dtype);
    entry["role"] = role_of(t);
    entry["bytes"] = t.role == TensorRole::constant ? t.constant_bytes : byte_size(t.dtype, t.stored_shape);
    entry["quantization"] = quant_json(t.quant);
    return entry;
  }

  const InspectArgs& args_;
  const Model& model_;
  const Planned& planned_;
  const GraphInfo g_;
  std::vector<OperatorOutcome> outcomes_;
};

}  // namespace

Action add_inspect(Options& options) {
  auto args = std::make_shared<InspectArgs>();
  add_model_option(options, args->model);
  options.add_flag("--tensors", args->tensors, "List the tensors too");
  options.add("--resize-input", args->resize, "New shape of an input: NAME=1x128x128x3, or just the shape")
      .type_name("NAME=SHAPE")
      .one_value_each();
  add_exec_options(options, args->exec);
  options.footer(
      "The kernel column: xnnpack, octet (an own fast kernel), reference; fused (part of another op), folded "
      "(computed at load), none (shares storage), runtime (control flow), late (shapes depend on data).\n"
      "JSON: format, inputs[{name, shape, dtype}], outputs[{name, shape, dtype}], ops[{index, kind, name, "
      "kernel, dtype, dtype_in_file, macs}], op_counts{}, ops_int8, ops_int16, ops_float, ops_float_in_file, "
      "parameters, macs; kernel is null in a model that can't be run, "
      "error says why.");
  return [args](Context& context) -> Status {
    OCTET_ASSIGN(const Model model, open_model(args->model));
    OCTET_ASSIGN(const Planned planned, plan_of(model, *args));
    const Inspector inspector(*args, model, planned);
    if (context.json)
      print_json(inspector.json());
    else
      inspector.text();
    return {};
  };
}

}  // namespace octet
