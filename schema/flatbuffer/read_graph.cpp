#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/flatbuffer/reader.hpp"

namespace octet {
namespace {

constexpr ptrdiff_t kReadBehind = 64;  // how far behind a tensor kernels may read

template <class T>
size_t size_of(const flatbuffers::Vector<T>* v) {
  return v == nullptr ? 0 : v->size();
}

std::string label(std::string_view kind, size_t index, const std::string& name) {
  return name.empty() ? fmt::format("{} #{}", kind, index) : fmt::format("{} '{}'", kind, name);
}

}  // namespace

Status Reader::spend(size_t n) {
  budget_ -= static_cast<int64_t>(n);
  if (budget_ < 0) return Status::corrupt("is damaged: its tables share data that belongs to one of them");
  return {};
}

Result<std::string> Reader::read_text(const flatbuffers::String* s) {
  if (s == nullptr) return std::string();
  OCTET_TRY(spend(s->size()));
  return clean_text({s->c_str(), s->size()});
}

Result<std::span<const std::byte>> Reader::region(uint64_t offset, uint64_t size) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset)
    return Status::corrupt(fmt::format("{} bytes at offset {} are outside of the file", size, offset));
  return bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
}

Result<std::span<const std::byte>> Reader::buffer(uint32_t index) const {
  if (index >= size_of(root_.buffers()))
    return Status::corrupt(
        fmt::format("buffer {} does not exist (there are {})", index, size_of(root_.buffers())));
  const wire::Buffer& w = *root_.buffers()->Get(index);
  if (w.offset() > 1) return region(w.offset(), w.size()).at(fmt::format("buffer {}", index));
  if (w.data() == nullptr) return std::span<const std::byte>();
  return std::as_bytes(std::span(w.data()->Data(), w.data()->size()));
}

Result<std::vector<ValueId>> Reader::read_ids(const flatbuffers::Vector<int32_t>* ids, const Graph& g,
                                              std::string_view what, ValueId least) {
  std::vector<ValueId> out;
  OCTET_TRY(spend(size_of(ids)));
  for (size_t i = 0; i < size_of(ids); ++i) {
    const int32_t id = ids->Get(static_cast<uint32_t>(i));
    if (id < least || id >= static_cast<int64_t>(g.values.size()))
      return Status::corrupt(
          fmt::format("{} {} is tensor {}, and there are {}", what, i, id, g.values.size()));
    out.push_back(id);
  }
  return out;
}

Status Reader::read_codes() {
  for (size_t i = 0; i < size_of(root_.operator_codes()); ++i) {
    const wire::OperatorCode& w = *root_.operator_codes()->Get(static_cast<uint32_t>(i));
    // Files older than builtin_code leave it 0; newer ones put min(code, 127) into the old field. circle's
    // own codes are negative in both.
    const int32_t old_code = w.deprecated_builtin_code();
    Code c;
    c.code = old_code < 0 ? old_code : std::max<int32_t>(old_code, static_cast<int32_t>(w.builtin_code()));
    c.version = w.version();
    const auto kind = op_kind_of_code(c.code);
    if (kind && (c.code >= 0 || model_.format == Format::circle)) c.kind = *kind;
    OCTET_ASSIGN(c.custom_name, read_text(w.custom_code()));
    if (c.kind == OpKind::CUSTOM && c.custom_name.empty())
      return Status::corrupt(fmt::format("operator code {} is a custom operator without a name", i));
    codes_.push_back(std::move(c));
  }
  return {};
}

Status Reader::read_storage_field(const wire::Tensor& w) const {
  const auto& table = reinterpret_cast<const flatbuffers::Table&>(w);
  const auto at = table.GetOptionalFieldOffset(wire::Tensor::VT_STORAGE);
  if (at == 0) return {};
  if (model_.format == Format::circle)
    return w.storage() == 0 ? Status() : Status::unsupported("its data is compressed");
  // The verifier has seen one byte of the four that .tflite has here.
  const auto offset = static_cast<size_t>(reinterpret_cast<const std::byte*>(&w) - bytes_.data()) + at;
  uint32_t external = 0;
  OCTET_ASSIGN(const auto field, region(offset, sizeof external));
  std::memcpy(&external, field.data(), sizeof external);
  return external == 0 ? Status() : Status::unsupported("its data is in another file (an external buffer)");
}

Status Reader::read_shape(const wire::Tensor& w, Value& v) {
  const size_t rank = size_of(w.shape());
  if (rank > static_cast<size_t>(Shape::kMaxRank))
    return Status::unsupported(fmt::format("has {} axes; Octet handles up to {}", rank, Shape::kMaxRank));
  if (size_of(w.shape_signature()) > 0) {
    if (w.shape_signature()->size() != rank)
      return Status::corrupt(
          fmt::format("has {} axes, but its shape signature has {}", rank, w.shape_signature()->size()));
    v.shape_signature.assign(w.shape_signature()->begin(), w.shape_signature()->end());
  }
  bool dynamic = false;
  for (size_t i = 0; i < rank; ++i) {
    const int32_t d = w.shape()->Get(static_cast<uint32_t>(i));
    if (d < -1) return Status::corrupt(fmt::format("has an extent of {}", d));
    dynamic = dynamic || d == -1;
    v.shape.push_back(d == -1 ? 1 : d);
  }
  // Some files mark a dynamic extent in the shape itself; then the signature says so and the shape holds 1.
  if (dynamic) {
    const auto dims = v.shape.dims();
    if (v.shape_signature.empty()) v.shape_signature.assign(dims.begin(), dims.end());
    for (size_t i = 0; i < rank; ++i)
      if (w.shape()->Get(static_cast<uint32_t>(i)) == -1) v.shape_signature[i] = -1;
  }
  v.has_rank = w.has_rank() || rank > 0;
  return {};
}

Status Reader::read_quantization(const wire::Tensor& w, Value& v) {
  const wire::QuantizationParameters* q = w.quantization();
  if (q == nullptr || !is_quantizable(v.dtype)) return {};  // float tensors often carry left-overs
  using Details = wire::QuantizationDetails;
  if (q->details_type() != Details::NONE && q->details() != nullptr) {
    const bool block = q->details_type() == Details::BlockQuantization;
    if (block && model_.format == Format::tflite) return {};  // read_blocks()
    const std::string_view scheme = q->details_type() == Details::CustomQuantization      ? "custom"
                                    : q->details_type() == Details::MultiAxisQuantization ? "multi-axis"
                                    : block                                               ? "microscaling"
                                                                                          : "unknown";
    return Status::unsupported(fmt::format("has {} quantization, which Octet does not support", scheme));
  }
  const size_t n = size_of(q->scale());
  if (n == 0) return {};  // only min and max, or nothing at all
  if (size_of(q->zero_point()) != n)
    return Status::corrupt(fmt::format("has {} scales and {} zero points", n, size_of(q->zero_point())));
  OCTET_TRY(spend(n));
  std::vector<Affine> params(n);
  for (size_t i = 0; i < n; ++i) {
    params[i].scale = q->scale()->Get(static_cast<uint32_t>(i));
    // memcpy: nothing in the file guarantees the alignment of 8-byte elements.
    std::memcpy(&params[i].zero_point, q->zero_point()->Data() + i * sizeof(int64_t), sizeof(int64_t));
  }
  // With one scale or one axis, quantized_dimension has nothing to say, and real files hold nonsense there.
  const int axis = v.shape.rank() == 1 ? 0 : q->quantized_dimension();
  v.quant = n == 1 ? Quantization::per_tensor(params[0]) : Quantization::per_channel(axis, std::move(params));
  return {};
}

Status Reader::read_constant(const wire::Tensor& w, Value& v) {
  if (w.buffer() == 0) return {};  // by convention the empty one
  OCTET_ASSIGN(const auto data, buffer(w.buffer()));
  if (data.empty()) return {};
  if (v.is_variable) return Status::corrupt("is a variable and has data of its own");
  const int bytes = v.dtype == DType::string ? 4 : bytes_of(v.dtype);
  const auto alignment = static_cast<uintptr_t>(std::clamp(bytes, 1, 8));
  const bool is_aligned = reinterpret_cast<uintptr_t>(data.data()) % alignment == 0;
  // Kernels read in whole vectors: behind the last tensor of a file there may be nothing to read.
  const bool is_last = bytes_.data() + bytes_.size() - (data.data() + data.size()) < kReadBehind;
  if (is_aligned && !is_last) {
    v.constant = Constant(owner_, data);
    return {};
  }
  Constant& copy = (is_aligned ? last_ : aligned_)[w.buffer()];
  if (!copy.present()) {
    OCTET_TRY(spend(data.size()));
    copy = Constant::copy_of(data);
  }
  v.constant = copy;
  return {};
}

Status Reader::read_tensor(const wire::Tensor& w, Value& v) {
  const int type = static_cast<int>(w.type());
  if (type < 0 || type >= kDTypeCount) {
    const char* known = wire::EnumNameTensorType(w.type());
    return Status::unsupported(fmt::format("has element type {}, which Octet does not support",
                                           *known != '\0' ? std::string(known) : std::to_string(type)));
  }
  v.dtype = static_cast<DType>(type);
  v.is_variable = w.is_variable();
  OCTET_TRY(read_storage_field(w));
  OCTET_TRY(read_shape(w, v));
  OCTET_TRY(read_quantization(w, v));
  return w.sparsity() != nullptr ? read_sparse(w, v) : read_constant(w, v);
}

Status Reader::read_operator(const wire::Operator& w, const Graph& g, Node& n) {
  if (w.opcode_index() >= codes_.size())
    return Status::corrupt(
        fmt::format("operator code {} does not exist (there are {})", w.opcode_index(), codes_.size()));
  const Code& code = codes_[w.opcode_index()];
  n.kind = code.kind;
  n.version = code.version;
  OCTET_ASSIGN(n.inputs, read_ids(w.inputs(), g, "input", kNoValue));
  OCTET_ASSIGN(n.outputs, read_ids(w.outputs(), g, "output", 0));
  OCTET_ASSIGN(n.intermediates, read_ids(w.intermediates(), g, "intermediate", kNoValue));
  if (n.kind == OpKind::UNKNOWN) {
    UnknownAttrs unknown{code.code, name_of_builtin(code.code)};
    if (const auto* composite = w.builtin_options_2_as_StableHLOCompositeOptions()) {
      OCTET_ASSIGN(unknown.name, read_text(composite->name()));
      unknown.decomposition = composite->decomposition_subgraph_index();
    }
    n.attrs = std::move(unknown);
    return {};
  }
  OCTET_TRY(read_options(w, n));
  if (const auto* handle = std::get_if<VarHandleAttrs>(&n.attrs))
    return spend(handle->container.size() + handle->shared_name.size());
  if (auto* custom = std::get_if<CustomAttrs>(&n.attrs)) {
    OCTET_TRY(spend(code.custom_name.size()));
    custom->name = code.custom_name;
    std::span<const std::byte> options;
    if (w.large_custom_options_offset() > 1) {
      OCTET_ASSIGN(options, region(w.large_custom_options_offset(), w.large_custom_options_size()));
    } else if (w.custom_options() != nullptr) {
      options = std::as_bytes(std::span(w.custom_options()->Data(), w.custom_options()->size()));
    }
    OCTET_TRY(spend(options.size()));
    const auto* first = reinterpret_cast<const uint8_t*>(options.data());
    custom->options.assign(first, first + options.size());
  }
  return {};
}

// ADD, SUB, MUL and DIV give their result the type of their inputs, whatever the file says of it. There are
// integer models whose file says nothing of it, which reads as float32.
Status Reader::correct_result_types(const wire::SubGraph& w, Graph& g) {
  for (const Node& n : g.nodes) {
    const bool arithmetic =
        n.kind == OpKind::ADD || n.kind == OpKind::SUB || n.kind == OpKind::MUL || n.kind == OpKind::DIV;
    if (!arithmetic || n.inputs.size() != 2 || n.outputs.size() != 1) continue;
    if (n.inputs[0] == kNoValue || n.inputs[1] == kNoValue) continue;
    const Value &a = g.value(n.inputs[0]), &b = g.value(n.inputs[1]);
    const ValueId id = n.outputs[0];
    if (g.value(id).dtype != DType::float32 || a.dtype != b.dtype || a.quant.empty() || b.quant.empty())
      continue;
    Value typed = g.value(id);
    typed.dtype = a.dtype;
    OCTET_TRY(read_quantization(*w.tensors()->Get(static_cast<uint32_t>(id)), typed)
                  .at(label("tensor", static_cast<size_t>(id), typed.name)));
    if (typed.quant.empty()) continue;
    model_.notes.push_back(fmt::format("treated {} '{}' as {}, the type of its inputs",
                                       name_of(DType::float32), typed.name, name_of(typed.dtype)));
    g.value(id) = std::move(typed);
  }
  return {};
}

Status Reader::read_graph(const wire::SubGraph& w, Graph& g) {
  OCTET_ASSIGN(g.name, read_text(w.name()));
  for (size_t i = 0; i < size_of(w.tensors()); ++i) {
    const wire::Tensor& t = *w.tensors()->Get(static_cast<uint32_t>(i));
    Value v;
    OCTET_ASSIGN(v.name, read_text(t.name()));
    OCTET_TRY(read_tensor(t, v).at(label("tensor", i, v.name)));
    if (t.sparsity() != nullptr) made_dense_.emplace(&g - model_.graphs.data(), static_cast<ValueId>(i));
    g.values.push_back(std::move(v));
  }
  OCTET_TRY(read_blocks(w, g));
  OCTET_ASSIGN(g.inputs, read_ids(w.inputs(), g, "graph input", 0));
  OCTET_ASSIGN(g.outputs, read_ids(w.outputs(), g, "graph output", 0));
  for (size_t i = 0; i < size_of(w.operators()); ++i) {
    Node n;
    Status s = read_operator(*w.operators()->Get(static_cast<uint32_t>(i)), g, n);
    g.nodes.push_back(std::move(n));
    if (!s.ok()) {
      const Node& bad = g.nodes.back();
      if (kind_name(bad) == name_of(OpKind::UNKNOWN)) return std::move(s).at(fmt::format("operator #{}", i));
      // Only the ids that were read before the error are in the node, and those are valid.
      return std::move(s).at(fmt::format("{} '{}'", kind_name(bad), node_name(g, static_cast<NodeId>(i))));
    }
  }
  OCTET_TRY(correct_result_types(w, g));
  // Writers that know has_rank set it on every shape that they know; of others, [] is a scalar.
  const bool knows_rank =
      w.tensors() != nullptr && std::any_of(w.tensors()->begin(), w.tensors()->end(),
                                            [](const wire::Tensor* t) { return t->has_rank(); });
  for (const ValueId v : g.inputs) {
    Value& input = g.value(v);
    input.has_rank = input.has_rank || !knows_rank;
    if (input.is_constant())
      model_.notes.push_back(fmt::format("ignored the data that graph input '{}' has", input.name));
    input.constant = Constant();
    if (input.is_variable)
      model_.notes.push_back(fmt::format("ignored is_variable on graph input '{}'", input.name));
    input.is_variable = false;
  }
  // A tensor of no elements needs no data, so an empty buffer is all a constant of that shape has. It is a
  // constant when something reads it and nothing else provides it.
  std::vector<char> read(g.values.size(), 0), provided(g.values.size(), 0);
  for (const ValueId v : g.outputs)
    read[static_cast<size_t>(v)] = 1;
  for (const ValueId v : g.inputs)
    provided[static_cast<size_t>(v)] = 1;
  for (const Node& n : g.nodes) {
    for (const ValueId v : n.inputs)
      if (v != kNoValue) read[static_cast<size_t>(v)] = 1;
    for (const ValueId v : n.outputs)
      provided[static_cast<size_t>(v)] = 1;
  }
  for (size_t i = 0; i < g.values.size(); ++i) {
    Value& v = g.values[i];
    if (read[i] != 0 && provided[i] == 0 && !v.is_variable && !v.is_constant() && v.shape.elements() == 0)
      v.constant = Constant::copy_of({});
  }
  return {};
}

Status Reader::read_signature(const wire::SignatureDef& w, Signature& s) {
  OCTET_ASSIGN(s.key, read_text(w.signature_key()));
  if (w.subgraph_index() >= model_.graphs.size())
    return Status::corrupt(
        fmt::format("graph {} does not exist (there are {})", w.subgraph_index(), model_.graphs.size()));
  s.graph = static_cast<int32_t>(w.subgraph_index());
  const Graph& g = model_.graphs[w.subgraph_index()];
  auto read = [&](const auto* maps, const std::vector<ValueId>& ids, std::string_view what,
                  std::vector<std::pair<std::string, int32_t>>& out) -> Status {
    // Several names may mean one tensor, and one tensor may be several outputs: pair them in order.
    std::map<int64_t, std::vector<int32_t>> positions;
    for (size_t k = ids.size(); k-- > 0;)
      positions[ids[k]].push_back(static_cast<int32_t>(k));
    for (size_t i = 0; i < size_of(maps); ++i) {
      const wire::TensorMap& m = *maps->Get(static_cast<uint32_t>(i));
      OCTET_ASSIGN(std::string name, read_text(m.name()));
      const auto at = positions.find(m.tensor_index());
      if (at == positions.end())
        return Status::corrupt(fmt::format("{0} '{1}' is tensor {2}, which is not an {0} of its graph", what,
                                           name, m.tensor_index()));
      out.emplace_back(std::move(name), at->second.back());
      if (at->second.size() > 1) at->second.pop_back();
    }
    return {};
  };
  OCTET_TRY(read(w.inputs(), g.inputs, "input", s.inputs));
  return read(w.outputs(), g.outputs, "output", s.outputs);
}

Status Reader::read_metadata(const wire::Metadata& w) {
  OCTET_ASSIGN(std::string name, read_text(w.name()));
  auto data = buffer(w.buffer());
  if (!data.ok()) return std::move(data).at(fmt::format("metadata '{}'", name)).status();
  model_.metadata.emplace_back(std::move(name), Constant(owner_, *data));
  return {};
}

Status Reader::run() {
  if (size_of(root_.subgraphs()) == 0) return Status::corrupt("has no graph");
  OCTET_ASSIGN(model_.description, read_text(root_.description()));
  OCTET_TRY(read_codes());
  for (size_t i = 0; i < size_of(root_.subgraphs()); ++i) {
    Graph& g = model_.graphs.emplace_back();
    Status s = read_graph(*root_.subgraphs()->Get(static_cast<uint32_t>(i)), g);
    if (!s.ok()) return i == 0 ? s : std::move(s).at(label("graph", i, g.name));
  }
  for (size_t i = 0; i < size_of(root_.signature_defs()); ++i) {
    Signature& s = model_.signatures.emplace_back();
    OCTET_TRY(read_signature(*root_.signature_defs()->Get(static_cast<uint32_t>(i)), s)
                  .at(label("signature", i, s.key)));
  }
  fold_densify();  // ids change, so only now
  fold_blocks();
  for (size_t i = 0; i < size_of(root_.metadata()); ++i)
    OCTET_TRY(read_metadata(*root_.metadata()->Get(static_cast<uint32_t>(i))));
  if (!made_dense_.empty())
    model_.notes.push_back(fmt::format("made {} sparse tensors dense", made_dense_.size()));
  if (!aligned_.empty())
    model_.notes.push_back(
        fmt::format("copied {} constants that are not aligned to their element size", aligned_.size()));
  return {};
}

}  // namespace octet
