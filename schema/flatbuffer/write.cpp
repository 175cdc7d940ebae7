// A ModelData to bytes. FlatBuffers are built back to front, so constants go in first.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>

#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/half.hpp"
#include "schema/flatbuffer/format.hpp"
#include "schema/flatbuffer/wire.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

using flatbuffers::Offset;

constexpr size_t kBufferAlignment = 64;
// FlatBuffers count in 31 bits.
constexpr int64_t kMaxBytes = static_cast<int64_t>(FLATBUFFERS_MAX_BUFFER_SIZE) - 1;

class Writer {
 public:
  explicit Writer(const ModelData& m) : model_(m) {}

  Result<std::vector<std::byte>> run() {
    OCTET_TRY(check_size());
    // Buffer 0 stands for "no data".
    buffers_.push_back(wire::CreateBuffer(fbb_));
    std::vector<Offset<wire::SubGraph>> graphs;
    for (const Graph& g : model_.graphs) {
      OCTET_ASSIGN(auto graph, write_graph(g));
      graphs.push_back(graph);
    }
    std::vector<Offset<wire::Metadata>> metadata;
    for (const auto& [name, content] : model_.metadata) {
      const uint32_t buffer = write_buffer(content);
      metadata.push_back(wire::CreateMetadata(fbb_, fbb_.CreateString(name), buffer));
    }
    std::vector<Offset<wire::SignatureDef>> signatures;
    for (const Signature& s : model_.signatures)
      signatures.push_back(write_signature(s));

    const auto codes = fbb_.CreateVector(codes_);
    const auto subgraphs = fbb_.CreateVector(graphs);
    const auto description = fbb_.CreateString(model_.description);
    const auto buffers = fbb_.CreateVector(buffers_);
    Offset<flatbuffers::Vector<Offset<wire::Metadata>>> metadata_vector;
    if (!metadata.empty()) metadata_vector = fbb_.CreateVector(metadata);
    Offset<flatbuffers::Vector<Offset<wire::SignatureDef>>> signature_vector;
    if (!signatures.empty()) signature_vector = fbb_.CreateVector(signatures);
    const auto root = wire::CreateModel(fbb_, schema_version_of(model_.format), codes, subgraphs, description,
                                        buffers, 0, metadata_vector, signature_vector);
    fbb_.Finish(root, identifier_of(model_.format));
    const auto* first = reinterpret_cast<const std::byte*>(fbb_.GetBufferPointer());
    return std::vector<std::byte>(first, first + fbb_.GetSize());
  }

 private:
  // An upper bound of the file's size, because FlatBuffers abort beyond their limit.
  Status check_size() const {
    int64_t total = 4096;
    auto add = [&](int64_t n) { total = checked_add(total, n).value_or(INT64_MAX); };
    auto text = [&](const std::string& s) { add(static_cast<int64_t>(s.size()) + 16); };
    auto vector = [&](const auto& v, int64_t size) { add(static_cast<int64_t>(v.size()) * size + 16); };
    std::map<const void*, int64_t> constants;
    auto constant = [&](const Constant& c) {
      int64_t& known = constants[c.data()];
      const auto size = static_cast<int64_t>(c.bytes().size()) + 192;
      if (size > known) add(size);
      known = std::max(known, size);
    };
    text(model_.description);
    for (const Graph& g : model_.graphs) {
      text(g.name);
      vector(g.inputs, 4);
      vector(g.outputs, 4);
      for (const Value& v : g.values) {
        add(512);
        text(v.name);
        vector(v.quant.params(), 12);
        if (v.quant.is_blockwise()) add(2048 + 2 * static_cast<int64_t>(v.name.size()));
        if (v.is_constant()) constant(v.constant);
      }
      for (const Node& n : g.nodes) {
        add(512);
        vector(n.inputs, 5);
        vector(n.outputs, 4);
        vector(n.intermediates, 4);
        if (const auto* c = std::get_if<CustomAttrs>(&n.attrs)) {
          text(c->name);
          vector(c->options, 1);
        }
        if (const auto* h = std::get_if<VarHandleAttrs>(&n.attrs)) {
          text(h->container);
          text(h->shared_name);
        }
      }
    }
    for (const auto& [name, content] : model_.metadata) {
      text(name);
      constant(content);
    }
    for (const Signature& s : model_.signatures) {
      text(s.key);
      for (const auto* names : {&s.inputs, &s.outputs})
        for (const auto& [name, position] : *names) {
          add(32);
          text(name);
        }
    }
    if (total <= kMaxBytes) return {};
    return Status::exhausted(
        fmt::format("the model takes about {} MB, more than the format's 2048 MB", total >> 20));
  }

  // Constants that show the same bytes share one buffer, as weights used twice do in the source file.
  uint32_t write_buffer(const Constant& c) {
    const auto bytes = c.bytes();
    const auto key = std::make_pair(static_cast<const void*>(bytes.data()), bytes.size());
    if (!bytes.empty())
      if (const auto known = buffer_of_.find(key); known != buffer_of_.end()) return known->second;
    // Not ForceVectorAlignment(): it asserts that alignments stay under a limit of the library.
    fbb_.PreAlign(bytes.size(), kBufferAlignment);
    const auto data = fbb_.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    buffers_.push_back(wire::CreateBuffer(fbb_, data));
    const auto index = static_cast<uint32_t>(buffers_.size() - 1);
    if (!bytes.empty()) buffer_of_.emplace(key, index);
    return index;
  }

  // The numbers of blocks are tensors, behind those of the graph. Halves where they hold them: there are
  // readers that take nothing else. Without zero points the field says -1.
  Offset<wire::QuantizationParameters> write_blocks(const Value& v, size_t tensors,
                                                    std::vector<Offset<wire::Tensor>>& records) {
    const auto params = v.quant.params();
    std::vector<float> scale;
    std::vector<uint16_t> half;
    std::vector<int32_t> zero;
    bool exact = true, symmetric = true;
    for (const Affine& a : params) {
      scale.push_back(a.scale);
      half.push_back(float_to_half(a.scale));
      zero.push_back(static_cast<int32_t>(a.zero_point));
      exact = exact && half_to_float(half.back()) == a.scale;
      symmetric = symmetric && a.zero_point == 0;
    }
    Value record;
    record.shape = v.shape;
    record.shape[-1] /= v.quant.block();
    auto add = [&](const char* suffix, DType type, Constant content) {
      record.name = v.name + suffix;
      record.dtype = type;
      record.constant = std::move(content);
      kept_.push_back(record.constant);
      records.push_back(write_plain_tensor(record, 0));
      return static_cast<int32_t>(tensors + records.size() - 1);
    };
    const int32_t scales = exact ? add("_scales", DType::float16, Constant::of(half))
                                 : add("_scales", DType::float32, Constant::of(scale));
    const int32_t zeros = symmetric ? -1 : add("_zero_points", DType::int32, Constant::of(zero));
    const auto details = wire::CreateBlockQuantization(fbb_, scales, zeros, v.quant.block());
    wire::QuantizationParametersBuilder b(fbb_);
    b.add_details_type(wire::QuantizationDetails::BlockQuantization);
    b.add_details(details.Union());
    return b.Finish();
  }

  Offset<wire::QuantizationParameters> write_quantization(const Quantization& q) {
    if (q.empty()) return 0;
    std::vector<float> scale;
    std::vector<int64_t> zero_point;
    for (const Affine& a : q.params()) {
      scale.push_back(a.scale);
      zero_point.push_back(a.zero_point);
    }
    const auto scales = fbb_.CreateVector(scale);
    // Tables may share a vector. Symmetric weights have only zeros, eight bytes per channel.
    auto known = zero_points_of_.find(zero_point);
    if (known == zero_points_of_.end())
      known = zero_points_of_.emplace(zero_point, fbb_.CreateVector(zero_point)).first;
    const auto zero_points = known->second;
    wire::QuantizationParametersBuilder b(fbb_);
    b.add_scale(scales);
    b.add_zero_point(zero_points);
    b.add_quantized_dimension(q.axis().value_or(0));
    return b.Finish();
  }

  Offset<wire::Tensor> write_plain_tensor(const Value& v, Offset<wire::QuantizationParameters> quantization) {
    const uint32_t buffer = v.is_constant() ? write_buffer(v.constant) : 0;
    const auto name = fbb_.CreateString(v.name);
    const auto dims = v.shape.dims();
    const auto shape = fbb_.CreateVector(dims.data(), dims.size());
    Offset<flatbuffers::Vector<int32_t>> signature;
    if (!v.shape_signature.empty()) signature = fbb_.CreateVector(v.shape_signature);
    wire::TensorBuilder b(fbb_);
    b.add_shape(shape);
    b.add_type(static_cast<wire::TensorType>(v.dtype));
    b.add_buffer(buffer);
    b.add_name(name);
    b.add_quantization(quantization);
    b.add_is_variable(v.is_variable);
    b.add_shape_signature(signature);
    b.add_has_rank(v.has_rank);
    return b.Finish();
  }

  Result<uint32_t> write_code(const Node& n) {
    if (n.kind == OpKind::UNKNOWN) {
      const auto* unknown = std::get_if<UnknownAttrs>(&n.attrs);
      return Status::unsupported(
          fmt::format("Octet can inspect this {}, but not write it",
                      unknown == nullptr || unknown->name.empty() ? "operator" : unknown->name));
    }
    const int32_t code = builtin_code_of(n.kind);
    if (code < 0 && model_.format != Format::circle)
      return Status::unsupported("only .circle files can hold this operator");
    const auto* custom = std::get_if<CustomAttrs>(&n.attrs);
    const auto key = std::make_tuple(code, n.version, custom != nullptr ? custom->name : std::string());
    const auto [known, is_new] = code_of_.try_emplace(key, static_cast<uint32_t>(codes_.size()));
    if (is_new) {
      Offset<flatbuffers::String> name;
      if (custom != nullptr) name = fbb_.CreateString(custom->name);
      // Readers that are older than builtin_code look at the first field, so it holds what fits.
      const auto old_code = static_cast<int8_t>(std::min<int32_t>(
          code, static_cast<int32_t>(wire::BuiltinOperator::PLACEHOLDER_FOR_GREATER_OP_CODES)));
      codes_.push_back(wire::CreateOperatorCode(fbb_, old_code, name, n.version,
                                                static_cast<wire::BuiltinOperator>(code)));
    }
    return known->second;
  }

  Result<Offset<wire::Operator>> write_operator(const Graph& g, const Node& n) {
    OCTET_ASSIGN(const uint32_t code, write_code(n));
    OCTET_ASSIGN(const WrittenOptions options, write_options(fbb_, n));
    const auto inputs = fbb_.CreateVector(n.inputs);
    const auto outputs = fbb_.CreateVector(n.outputs);
    std::vector<uint8_t> mutates;
    for (const ValueId v : n.inputs)
      mutates.push_back(v != kNoValue && g.value(v).is_variable ? 1 : 0);
    Offset<flatbuffers::Vector<uint8_t>> mutating;
    if (std::find(mutates.begin(), mutates.end(), 1) != mutates.end()) mutating = fbb_.CreateVector(mutates);
    Offset<flatbuffers::Vector<int32_t>> intermediates;
    if (!n.intermediates.empty()) intermediates = fbb_.CreateVector(n.intermediates);
    Offset<flatbuffers::Vector<uint8_t>> custom;
    if (const auto* c = std::get_if<CustomAttrs>(&n.attrs); c != nullptr && !c->options.empty())
      custom = fbb_.CreateVector(c->options);
    wire::OperatorBuilder b(fbb_);
    b.add_opcode_index(code);
    b.add_inputs(inputs);
    b.add_outputs(outputs);
    b.add_builtin_options_type(options.type);
    b.add_builtin_options(options.table);
    b.add_custom_options(custom);
    b.add_mutating_variable_inputs(mutating);
    b.add_intermediates(intermediates);
    return b.Finish();
  }

  Result<Offset<wire::SubGraph>> write_graph(const Graph& g) {
    std::vector<Offset<wire::Tensor>> tensors, records;
    for (const Value& v : g.values) {
      if (v.quant.is_blockwise() && model_.format != Format::tflite)
        return Status::unsupported(
            fmt::format("tensor '{}': only .tflite files can hold blockwise quantization", v.name));
      tensors.push_back(write_plain_tensor(v, v.quant.is_blockwise()
                                                  ? write_blocks(v, g.values.size(), records)
                                                  : write_quantization(v.quant)));
    }
    tensors.insert(tensors.end(), records.begin(), records.end());
    std::vector<Offset<wire::Operator>> operators;
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      auto op = write_operator(g, g.nodes[i]);
      if (!op.ok())
        return std::move(op)
            .at(fmt::format("{} '{}'", kind_name(g.nodes[i]), node_name(g, static_cast<NodeId>(i))))
            .status();
      operators.push_back(*op);
    }
    const auto tensor_vector = fbb_.CreateVector(tensors);
    const auto inputs = fbb_.CreateVector(g.inputs);
    const auto outputs = fbb_.CreateVector(g.outputs);
    const auto operator_vector = fbb_.CreateVector(operators);
    const auto name = fbb_.CreateString(g.name);
    return wire::CreateSubGraph(fbb_, tensor_vector, inputs, outputs, operator_vector, name);
  }

  Offset<wire::SignatureDef> write_signature(const Signature& s) {
    const Graph& g = model_.graphs[static_cast<size_t>(s.graph)];
    auto write = [&](const auto& names, const std::vector<ValueId>& ids) {
      std::vector<Offset<wire::TensorMap>> maps;
      for (const auto& [name, position] : names)
        maps.push_back(wire::CreateTensorMap(fbb_, fbb_.CreateString(name),
                                             static_cast<uint32_t>(ids[static_cast<size_t>(position)])));
      return fbb_.CreateVector(maps);
    };
    const auto inputs = write(s.inputs, g.inputs);
    const auto outputs = write(s.outputs, g.outputs);
    return wire::CreateSignatureDef(fbb_, inputs, outputs, fbb_.CreateString(s.key),
                                    static_cast<uint32_t>(s.graph));
  }

  const ModelData& model_;
  flatbuffers::FlatBufferBuilder fbb_{1 << 16};
  std::vector<Offset<wire::Buffer>> buffers_;
  std::vector<Constant> kept_;  // made here; buffer_of_ knows them by their place in memory
  std::map<std::pair<const void*, size_t>, uint32_t> buffer_of_;
  std::map<std::vector<int64_t>, Offset<flatbuffers::Vector<int64_t>>> zero_points_of_;
  std::vector<Offset<wire::OperatorCode>> codes_;
  std::map<std::tuple<int32_t, int32_t, std::string>, uint32_t> code_of_;
};

}  // namespace

Result<std::vector<std::byte>> serialize(const ModelData& model) {
  OCTET_TRY(validate(model));
  return Writer(model).run();
}

}  // namespace octet
