#include "octet/model.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "api/entry_point.hpp"
#include "api/model_info.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "runtime/plan.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet {
namespace {

Result<Model> checked_model(Result<std::shared_ptr<const ModelData>> read, const std::string& path) {
  if (read.ok()) return Model(*std::move(read));
  Status status = std::move(read).status();
  return status.message().starts_with(path) ? status : std::move(status).at(path);
}

Shape declared_shape(const Value& v) {
  Shape s = v.shape;
  for (int a = 0; a < s.rank() && static_cast<int>(v.shape_signature.size()) == s.rank(); ++a)
    if (v.shape_signature[static_cast<size_t>(a)] < 0) s[a] = -1;
  return s;
}

std::vector<Shape> stored_shapes(const Graph& g) {
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  return shapes;
}

// Weights and biases; not shapes, axes and indices.
bool is_parameter(const Value& v) {
  return v.is_constant() && !v.is_variable &&
         (is_float(v.dtype) || v.quant || v.dtype == DType::int8 || v.dtype == DType::int4);
}

Format format_of_path(const std::string& path, Format otherwise) {
  if (path.ends_with(".circle")) return Format::circle;
  if (path.ends_with(".tflite")) return Format::tflite;
  return otherwise;
}

const Graph& graph_of(const ModelData& data, size_t index) {
  if (index >= data.graphs.size())
    detail::fail("a graph that the model does not have was asked for", std::to_string(index));
  return data.graphs[index];
}

}  // namespace

TensorInfo tensor_info(const Value& v, TensorRole computed) {
  TensorInfo t;
  t.name = v.name;
  t.dtype = v.dtype;
  t.shape = declared_shape(v);
  t.has_rank = v.has_rank;
  t.stored_shape = v.shape;
  t.quant = v.quant;
  t.role = v.is_variable ? TensorRole::variable : v.is_constant() ? TensorRole::constant : computed;
  t.constant_bytes = v.is_constant() ? static_cast<int64_t>(v.constant.bytes().size()) : 0;
  return t;
}

std::vector<TensorInfo> tensor_infos(const Graph& g, const std::vector<ValueId>& ids, TensorRole computed) {
  std::vector<TensorInfo> list;
  for (ValueId v : ids)
    list.push_back(tensor_info(g.value(v), computed));
  return list;
}

int64_t macs_of(const Graph& g, const Node& n, std::span<const Shape> shapes) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || spec->macs == nullptr || n.outputs.empty()) return 0;
  const NodeTensors t = describe(g, n, shapes);
  // Arity and ranks are the inference's to check; only what it accepts is counted.
  if (!infer_shapes(*spec, t.desc(n)).ok()) return 0;
  return spec->macs(t.desc(n));
}

Result<Model> Model::load(const std::string& path) {
  return checked_model(read_model(path), path);
}

Result<Model> Model::from_memory(std::span<const std::byte> bytes, const std::string& name) {
  auto copy = std::make_shared<const Constant>(Constant::copy_of(bytes));
  const std::span<const std::byte> view = copy->bytes();
  return from_memory(view, std::move(copy), name);
}

Result<Model> Model::from_memory(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                 const std::string& name) {
  if (bytes.data() == nullptr) return Status::invalid("no bytes are given").at(name);
  return checked_model(read_model(std::move(owner), bytes, name), name);
}

Status Model::save(const std::string& path, std::optional<Format> format) const {
  ModelData out = *data_;
  out.format = format.value_or(format_of_path(path, data_->format));
  return write_model(out, path);
}

Result<std::vector<std::byte>> Model::serialize(std::optional<Format> format) const {
  if (!format || *format == data_->format) return octet::serialize(*data_);
  ModelData out = *data_;
  out.format = *format;
  return octet::serialize(out);
}

Format Model::format() const {
  return data_->format;
}
const std::string& Model::path() const {
  return data_->path;
}
int64_t Model::file_bytes() const {
  return data_->file_bytes;
}
const std::string& Model::description() const {
  return data_->description;
}
std::span<const std::string> Model::notes() const {
  return data_->notes;
}
std::span<const Signature> Model::signatures() const {
  return data_->signatures;
}
size_t Model::graph_count() const {
  return data_->graphs.size();
}

std::vector<Metadata> Model::metadata() const {
  std::vector<Metadata> list;
  for (const auto& [name, constant] : data_->metadata)
    list.push_back({name, constant.bytes()});
  return list;
}

GraphInfo Model::graph(size_t index) const {
  const Graph& g = graph_of(*data_, index);
  GraphInfo info;
  info.name = g.name;
  info.inputs = g.inputs;
  info.outputs = g.outputs;
  for (const Value& v : g.values)
    info.tensors.push_back(tensor_info(v, TensorRole::computed));
  for (ValueId v : g.inputs)
    info.tensors[static_cast<size_t>(v)] = tensor_info(g.value(v), TensorRole::input);
  const std::vector<Shape> shapes = stored_shapes(g);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    info.operators.push_back({.kind = kind_name(n),
                              .name = node_name(g, static_cast<NodeId>(i)),
                              .inputs = n.inputs,
                              .outputs = n.outputs,
                              .intermediates = n.intermediates,
                              .version = n.version,
                              .macs = macs_of(g, n, shapes)});
  }
  return info;
}

std::vector<TensorInfo> Model::inputs() const {
  return tensor_infos(data_->main(), data_->main().inputs, TensorRole::input);
}
std::vector<TensorInfo> Model::outputs() const {
  return tensor_infos(data_->main(), data_->main().outputs, TensorRole::computed);
}

Result<std::vector<TensorInfo>> Model::inputs(const std::string& signature) const {
  OCTET_ASSIGN(EntryPoint entry, entry_point(*data_, signature).at(path()));
  return std::move(entry.inputs);
}
Result<std::vector<TensorInfo>> Model::outputs(const std::string& signature) const {
  OCTET_ASSIGN(EntryPoint entry, entry_point(*data_, signature).at(path()));
  return std::move(entry.outputs);
}

ConstTensorView Model::constant(size_t tensor, size_t graph) const {
  const Graph& g = graph_of(*data_, graph);
  if (tensor >= g.values.size())
    detail::fail("a tensor that the graph does not have was asked for", std::to_string(tensor));
  return g.values[tensor].view();
}

int64_t Model::parameters() const {
  int64_t n = 0;
  for (const Graph& g : data_->graphs)
    for (const Value& v : g.values)
      if (is_parameter(v)) n += v.shape.elements();
  return n;
}

int64_t Model::constant_bytes() const {
  int64_t n = 0;
  for (const Graph& g : data_->graphs)
    for (const Value& v : g.values)
      n += static_cast<int64_t>(v.constant.bytes().size());
  return n;
}

int64_t Model::macs() const {
  const Graph& g = data_->main();
  const std::vector<Shape> shapes = stored_shapes(g);
  int64_t sum = 0;
  for (const Node& n : g.nodes)
    if (__builtin_add_overflow(sum, macs_of(g, n, shapes), &sum)) return INT64_MAX;
  return sum;
}

}  // namespace octet
