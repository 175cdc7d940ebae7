// octet implant: quantization parameters and integer tensors from files into a model.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "cli/data/npy.hpp"
#include "cli/implant_entry.hpp"
#include "cli/output_file.hpp"
#include "cli/quant_models.hpp"
#include "cli/tensor_exchange.hpp"
#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"
#include "schema/core/int4.hpp"
#include "schema/core/int_range.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet {
namespace {

class Implanter {
 public:
  Implanter(ModelData& model, std::string folder) : model_(model), folder_(std::move(folder)) {}

  Result<ImplantCounts> run() {
    OCTET_ASSIGN(const auto entries, read_index(folder_));
    for (const ImplantEntry& e : entries) {
      const std::string place = fmt::format("{}: tensor '{}'", model_.path, e.name);
      OCTET_ASSIGN(Value* const v, find(e).at(place));
      OCTET_TRY(apply(e, *v).at(place));
      ++counts_.tensors;
    }
    for (Graph& g : model_.graphs) {
      OCTET_TRY(complete_biases(g).at(model_.path));
      OCTET_TRY(bridge(g).at(model_.path));
    }
    return counts_;
  }

 private:
  Result<Value*> find(const ImplantEntry& e) {
    if (e.graph >= model_.graphs.size())
      return Status::invalid(fmt::format("there is no subgraph {}", e.graph));
    std::vector<Value>& values = model_.graphs[e.graph].values;
    if (e.index && *e.index < values.size() && values[*e.index].name == e.name) return &values[*e.index];
    Value* found = nullptr;
    for (Value& v : values) {
      if (v.name != e.name) continue;
      if (found != nullptr) return Status::invalid("several tensors have this name; give its 'index'");
      found = &v;
    }
    if (found == nullptr) return Status::invalid("the model has no such tensor");
    return found;
  }

  Status apply(const ImplantEntry& e, Value& v) {
    const DType type = e.dtype.value_or(v.dtype);
    const bool to_integer = type != v.dtype && v.dtype == DType::float32 && is_quantizable(type);
    if (type != v.dtype && !to_integer)
      return Status::invalid(fmt::format("is {}, the index says {}", name_of(v.dtype), name_of(type)));
    if (to_integer && !e.quant)
      return Status::invalid(fmt::format("can't become {} without a scale", name_of(type)));
    if (e.quant) OCTET_TRY(check_quantization(e.quant, type, v.shape));
    if (!e.file.empty()) {
      if (!v.is_constant())
        return Status::invalid("is computed: it has no contents that a file could replace");
      OCTET_ASSIGN(v.constant, read_contents(e.file, type, v.shape));
      ++counts_.contents;
    } else if (to_integer && v.is_constant()) {
      OCTET_ASSIGN(v.constant, quantize_contents(v, type, e.quant));
      ++counts_.contents;
    }
    v.dtype = type;
    v.quant = e.quant;
    return {};
  }

  static Status check_quantization(const Quantization& q, DType type, const Shape& shape) {
    const IntRange range = range_of(type);
    for (const Affine& a : q.params())
      if (a.zero_point < range.lo || a.zero_point > range.hi)
        return Status::invalid(fmt::format("zero point {} is outside {}", a.zero_point, name_of(type)));
    if (!q.is_per_channel()) return {};
    if (*q.axis() >= shape.rank() || shape[*q.axis()] != static_cast<int64_t>(q.params().size()))
      return Status::invalid(fmt::format("{} scales along axis {} of shape {}", q.params().size(), *q.axis(),
                                         shape.to_string()));
    return {};
  }

  Result<Constant> read_contents(const std::string& file, DType type, const Shape& shape) const {
    const std::string path = folder_ + "/" + file;
    OCTET_ASSIGN(auto source, open_file(path));
    OCTET_ASSIGN(NpyArray array, NpyArray::open(std::move(source)).at(path));
    const NpyHeader& h = array.header();
    const DType stored = type == DType::int4 ? DType::int8 : type;
    const std::vector<int64_t> want(shape.dims().begin(), shape.dims().end());
    if (h.dtype != stored || h.dims != want)
      return Status::invalid(fmt::format("{} holds {} {}, expected {} {}", path, name_of(h.dtype),
                                         dims_text(h.dims), name_of(stored), dims_text(want)));
    std::vector<std::byte> bytes(static_cast<size_t>(h.elements() * bytes_of(h.dtype)));
    OCTET_TRY(array.read(0, bytes).at(path));
    if (type != DType::int4) return Constant::copy_of(bytes);
    return Constant::of(pack_int4({reinterpret_cast<const int8_t*>(bytes.data()), bytes.size()}));
  }

  // A float constant as integers (MATH.md, Q2), along the quantized axis where there is one.
  static Result<Constant> quantize_contents(const Value& v, DType type, const Quantization& q) {
    const auto real = v.constant.as<float>();
    const IntRange range = range_of(type);
    // Weights keep to the symmetric part of int8.
    const double lo = type == DType::int8 && q.is_per_channel() ? -127 : static_cast<double>(range.lo);
    size_t inner = std::max<size_t>(real.size(), 1), channels = 1;
    if (q.is_blockwise()) {
      inner = static_cast<size_t>(q.block());
      channels = q.params().size();
    } else if (q.is_per_channel()) {
      inner = static_cast<size_t>(v.shape.elements(*q.axis() + 1, v.shape.rank()));
      channels = q.params().size();
    }
    std::vector<int64_t> whole;
    for (size_t i = 0; i < real.size(); ++i)
      whole.push_back(quantize<int64_t>(static_cast<double>(real[i]), q.at(i / inner % channels), lo,
                                        static_cast<double>(range.hi)));
    if (type == DType::int4) {
      const std::vector<int8_t> values(whole.begin(), whole.end());
      return Constant::of(pack_int4(values));
    }
    std::vector<std::byte> bytes(real.size() * static_cast<size_t>(bytes_of(type)));
    OCTET_TRY(
        convert_elements(std::as_bytes(std::span(whole)), DType::int64, {bytes.data(), type, v.shape, {}}));
    return Constant::copy_of(bytes);
  }

  // bias = round(real / (s_x s_w)) wherever input and weights are integers by now and the bias is not.
  Status complete_biases(Graph& g) {
    for (size_t n = 0; n < g.nodes.size(); ++n) {
      const Node node = g.nodes[n];
      const OpSpec* spec = find_spec(node.kind);
      if (spec == nullptr || !quant_rule(*spec, node).has_int8) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const TensorRule& rule = quant_rule(*spec, node).input(i);
        if (rule.kind != TensorRule::Kind::bias || node.inputs[i] == kNoValue) continue;
        Value& bias = g.value(node.inputs[i]);
        const ValueId x = node.input(static_cast<size_t>(rule.a)),
                      w = node.input(static_cast<size_t>(rule.b));
        if (bias.dtype != DType::float32 || !bias.is_constant() || x == kNoValue || w == kNoValue) continue;
        const Quantization &qx = g.value(x).quant, &qw = g.value(w).quant;
        if (!qx || !qw || g.value(x).dtype == DType::float32 || g.value(w).dtype == DType::float32) continue;
        std::vector<Affine> params;
        for (const Affine& a : qw.params()) {
          const float s = qx.scale() * a.scale;
          if (!(s > 0) || !std::isfinite(s))
            return Status::invalid(fmt::format("tensor '{}': its scale would be {}", bias.name, s));
          params.push_back({s, 0});
        }
        Quantization q = params.size() == 1 ? Quantization::per_tensor(params[0])
                                            : Quantization::per_channel(0, std::move(params));
        const DType type = g.value(x).dtype == DType::int16 ? DType::int64 : DType::int32;
        OCTET_TRY(check_quantization(q, type, bias.shape).at(fmt::format("tensor '{}'", bias.name)));
        OCTET_ASSIGN(bias.constant,
                     quantize_contents(bias, type, q).at(fmt::format("tensor '{}'", bias.name)));
        bias.dtype = type;
        bias.quant = std::move(q);
        ++counts_.biases;
      }
    }
    return {};
  }

  // Operators read integers or reals, not both: reals where the output is real, integers where it is not.
  Status bridge(Graph& g) {
    std::vector<Node> nodes;
    std::map<ValueId, ValueId> reals;
    const std::vector<Node> old = std::move(g.nodes);
    for (const Node& node : old) {
      Node n = node;
      const OpSpec* spec = find_spec(n.kind);
      const bool converts = n.kind == OpKind::QUANTIZE || n.kind == OpKind::DEQUANTIZE;
      if (spec == nullptr || converts || !quant_rule(*spec, n).has_int8 || n.outputs.empty() ||
          n.outputs[0] == kNoValue) {
        nodes.push_back(std::move(n));
        continue;
      }
      const QuantRule& rules = quant_rule(*spec, n);
      const bool integer = g.value(n.outputs[0]).dtype != DType::float32;
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        const ValueId id = n.inputs[i];
        if (id == kNoValue || rules.input(i).kind == TensorRule::Kind::keep) continue;
        const Value& v = g.value(id);
        const bool activation =
            rules.input(i).kind != TensorRule::Kind::weights && rules.input(i).kind != TensorRule::Kind::bias;
        if (integer && v.dtype == DType::float32 && g.value(n.outputs[0]).quant)
          return Status::invalid(
              fmt::format("tensor '{}': has no scale, but '{}' that is computed from it has one", v.name,
                          g.value(n.outputs[0]).name));
        if (integer || !activation || v.dtype == DType::float32 || !v.quant || v.is_constant()) continue;
        if (!reals.contains(id)) {
          Value real;
          real.name = v.name + "_dequantized";
          real.shape = v.shape;
          real.shape_signature = v.shape_signature;
          reals[id] = g.add_value(std::move(real));
          Node dequantize;
          dequantize.kind = OpKind::DEQUANTIZE;
          dequantize.inputs = {id};
          dequantize.outputs = {reals[id]};
          dequantize.version = 2;  // int8 (TFLite's DEQUANTIZE versions)
          nodes.push_back(std::move(dequantize));
        }
        n.inputs[i] = reals[id];
      }
      nodes.push_back(std::move(n));
    }
    g.nodes = std::move(nodes);
    return {};
  }

  ModelData& model_;
  std::string folder_;
  ImplantCounts counts_;
};

}  // namespace

Result<ImplantCounts> implant_tensors(ModelData& model, const std::string& folder) {
  return Implanter(model, folder).run();
}

Action add_implant(CLI::App& app) {
  struct Args {
    std::string model, folder, output;
  };
  auto args = std::make_shared<Args>();
  app.add_option("MODEL", args->model, "A float or quantized .tflite or .circle file")->required();
  app.add_option("DIR", args->folder, "A folder with tensors.json, as octet extract writes it")->required();
  app.add_option("-o,--output", args->output, "The model to write; .tflite or .circle")
      ->required()
      ->type_name("OUT");
  app.footer(
      "Entries are found by the tensor's name (and index, where names repeat). 'scale' and 'zero_point' are "
      "numbers, lists, or names of .npy files in DIR; 'file' holds the integers. Biases that are missing are "
      "computed.\nJSON: tensors, contents, biases, bytes");
  return [args](Context& context) -> Status {
    OCTET_ASSIGN(const ModelPtr source, load_model(args->model));
    ModelData model = *source;
    OCTET_ASSIGN(const ImplantCounts counts, implant_tensors(model, args->folder));
    // The reader's checks are the judge of what came out.
    OCTET_ASSIGN(auto bytes, serialize(model).at(args->output));
    auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    OCTET_TRY(read_model(owner, *owner, args->output).status());
    OCTET_ASSIGN(const int64_t size, save_model(model, args->output));
    if (context.json)
      print_json({{"output", args->output},
                  {"tensors", counts.tensors},
                  {"contents", counts.contents},
                  {"biases", counts.biases},
                  {"bytes", size}});
    else
      print(fmt::format("{}: {} tensors, {} with contents, {} biases computed, {}", args->output,
                        counts.tensors, counts.contents, counts.biases, bytes_text(size)));
    return {};
  };
}

}  // namespace octet
