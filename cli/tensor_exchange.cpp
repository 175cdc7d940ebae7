#include "cli/tensor_exchange.hpp"

#include <fmt/format.h>

#include "cli/data/byte_source.hpp"
#include "cli/data/npy.hpp"
#include "cli/output_file.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int64_t kMaxIndex = int64_t{1} << 28;

Result<std::vector<double>> numbers_from_npy(const std::string& path) {
  OCTET_ASSIGN(auto source, open_file(path));
  OCTET_ASSIGN(NpyArray array, NpyArray::open(std::move(source)).at(path));
  const NpyHeader& h = array.header();
  if (h.elements() > 1 << 24) return Status::exhausted(path + ": too many numbers");
  const auto n = static_cast<size_t>(h.elements());
  std::vector<std::byte> raw(n * static_cast<size_t>(bytes_of(h.dtype)));
  OCTET_TRY(array.read(0, raw).at(path));
  std::vector<double> numbers(n);
  OCTET_TRY(
      convert_elements(raw, h.dtype, {numbers.data(), DType::float64, Shape{static_cast<int32_t>(n)}, {}})
          .at(path));
  return numbers;
}

Result<std::vector<double>> numbers_of(const Json& entry, const char* key, const std::string& folder) {
  std::vector<double> numbers;
  if (!entry.contains(key) || entry[key].is_null()) return numbers;
  const Json& v = entry[key];
  if (v.is_string()) return numbers_from_npy(folder + "/" + v.get<std::string>());
  if (v.is_number()) return std::vector<double>{v.get<double>()};
  const Status bad = Status::invalid(fmt::format("'{}' must be numbers or the name of a .npy file", key));
  if (!v.is_array()) return bad;
  for (const Json& x : v) {
    if (!x.is_number()) return bad;
    numbers.push_back(x.get<double>());
  }
  return numbers;
}

Result<std::optional<int64_t>> integer_of(const Json& entry, const char* key) {
  if (!entry.contains(key) || entry[key].is_null()) return std::optional<int64_t>();
  if (!entry[key].is_number_integer()) return Status::invalid(fmt::format("'{}' must be an integer", key));
  return std::optional<int64_t>(entry[key].get<int64_t>());
}

Result<Quantization> read_quantization(const Json& entry, const std::string& folder) {
  OCTET_ASSIGN(const auto scale, numbers_of(entry, "scale", folder));
  OCTET_ASSIGN(const auto zero, numbers_of(entry, "zero_point", folder));
  if (scale.empty() && zero.empty()) return Quantization();
  OCTET_ASSIGN(const auto axis, integer_of(entry, "axis"));
  OCTET_ASSIGN(const auto block, integer_of(entry, "block"));
  return quantization_of(scale, zero, axis, block);
}

// The elements of a .npy file as a tensor holds them; NumPy has no 4-bit type, there is one element per byte.
Status read_contents(const std::string& path, TensorParameters& p) {
  OCTET_ASSIGN(auto source, open_file(path));
  OCTET_ASSIGN(NpyArray array, NpyArray::open(std::move(source)).at(path));
  const NpyHeader& h = array.header();
  const DType type = p.dtype.value_or(h.dtype);
  if (h.dtype != (type == DType::int4 ? DType::int8 : type))
    return Status::invalid(
        fmt::format("{} holds {}, the index says {}", path, name_of(h.dtype), name_of(type)));
  if (h.dims.size() > Shape::kMaxRank) return Status::invalid(path + ": too many axes");
  p.shape = Shape();
  for (const int64_t d : h.dims) {
    if (d > INT32_MAX) return Status::exhausted(path + ": an axis is too long");
    p.shape.push_back(static_cast<int32_t>(d));
  }
  p.has_contents = true;
  p.dtype = type;
  std::vector<std::byte> bytes(static_cast<size_t>(h.elements() * bytes_of(h.dtype)));
  OCTET_TRY(array.read(0, bytes).at(path));
  if (type != DType::int4) {
    p.contents = std::move(bytes);
    return {};
  }
  p.contents.assign((bytes.size() + 1) / 2, std::byte{0});
  for (size_t i = 0; i < bytes.size(); ++i)
    p.contents[i / 2] |= (bytes[i] & std::byte{15}) << (i % 2 * 4);
  return {};
}

Result<TensorParameters> entry_of(const Json& json, const std::string& folder) {
  TensorParameters e;
  e.name = json["name"].get<std::string>();
  for (const char* key : {"graph", "index"})
    if (json.contains(key) && !json[key].is_null() && !json[key].is_number_unsigned())
      return Status::invalid(fmt::format("'{}' must be a number", key));
  if (json.contains("graph") && !json["graph"].is_null()) e.graph = json["graph"].get<size_t>();
  if (json.contains("index") && !json["index"].is_null()) e.index = json["index"].get<size_t>();
  if (json.contains("dtype") && !json["dtype"].is_null()) {
    for (int i = 0; i < kDTypeCount && json["dtype"].is_string(); ++i)
      if (name_of(static_cast<DType>(i)) == json["dtype"].get<std::string>()) e.dtype = static_cast<DType>(i);
    if (!e.dtype) return Status::invalid("'dtype' is not an element type");
  }
  if (json.contains("file") && !json["file"].is_null()) {
    if (!json["file"].is_string()) return Status::invalid("'file' must be a name");
    OCTET_TRY(read_contents(folder + "/" + json["file"].get<std::string>(), e));
  }
  OCTET_ASSIGN(e.quant, read_quantization(json, folder));
  return e;
}

Result<std::vector<std::string>> names_in(const Json& object, const char* key) {
  std::vector<std::string> names;
  if (!object.contains(key)) return names;
  const Status bad = Status::invalid(fmt::format("'{}' must be a list of names", key));
  if (!object[key].is_array()) return bad;
  for (const Json& n : object[key]) {
    if (!n.is_string()) return bad;
    names.push_back(n.get<std::string>());
  }
  return names;
}

Result<OperatorPorts> ports_of(const Json& json) {
  OperatorPorts ports;
  if (!json.is_object() || !json.contains("kind") || !json["kind"].is_string())
    return Status::invalid("has no 'kind'");
  ports.kind = json["kind"].get<std::string>();
  OCTET_ASSIGN(ports.inputs, names_in(json, "inputs"));
  OCTET_ASSIGN(ports.outputs, names_in(json, "outputs"));
  OCTET_ASSIGN(ports.intermediates, names_in(json, "intermediates"));
  return ports;
}

Status read_exponents(const Json& doc, ModelParameters& parameters) {
  if (doc.contains("reader")) {
    if (!doc["reader"].is_string()) return Status::invalid("'reader' is not a string");
    OCTET_ASSIGN(parameters.reader, reader_of(doc["reader"].get<std::string>()));
  }
  if (!doc.contains("channel_exponents")) return {};
  if (!doc["channel_exponents"].is_object()) return Status::invalid("'channel_exponents' is not an object");
  for (const auto& [name, list] : doc["channel_exponents"].items()) {
    const Status bad = Status::invalid(
        fmt::format("'channel_exponents': those of '{}' are not whole numbers from -128 to 127", name));
    if (!list.is_array()) return bad;
    for (const Json& e : list) {
      if (!e.is_number_integer() || e.get<int64_t>() < -128 || e.get<int64_t>() > 127) return bad;
      parameters.channel_exponents[name].push_back(e.get<int8_t>());
    }
  }
  return {};
}

Status write_contents(const std::string& path, const TensorParameters& p) {
  if (*p.dtype != DType::int4) return write_npy(path, {p.contents.data(), *p.dtype, p.shape, {}});
  std::vector<int8_t> values(static_cast<size_t>(p.shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    const int nibble = std::to_integer<int>(p.contents[i / 2] >> (i % 2 * 4)) & 15;
    values[i] = static_cast<int8_t>(nibble < 8 ? nibble : nibble - 16);
  }
  return write_npy(path, {values.data(), DType::int8, p.shape, {}});
}

}  // namespace

Result<Json> write_parameters(const ModelParameters& parameters, const std::string& model,
                              const std::string& folder) {
  OCTET_TRY(make_folder(folder));
  Json tensors = Json::array(), operators = Json::array();
  for (const TensorParameters& p : parameters.tensors) {
    Json scale = Json::array(), zero = Json::array();
    for (const Affine& a : p.quant.params())
      scale.push_back(static_cast<double>(a.scale)), zero.push_back(a.zero_point);
    std::string file;
    if (p.has_contents) {
      file = fmt::format("{}_{}.npy",
                         p.graph == 0 ? std::to_string(*p.index) : fmt::format("{}_{}", p.graph, *p.index),
                         safe_name(p.name));
      OCTET_TRY(write_contents(folder + "/" + file, p));
    }
    tensors.push_back({{"name", p.name},
                       {"graph", p.graph},
                       {"index", *p.index},
                       {"dtype", std::string(name_of(*p.dtype))},
                       {"shape", std::vector<int32_t>(p.shape.dims().begin(), p.shape.dims().end())},
                       {"scale", scale},
                       {"zero_point", zero},
                       {"axis", p.quant.axis() ? Json(*p.quant.axis()) : Json(nullptr)},
                       {"block", p.quant.is_blockwise() ? Json(p.quant.block()) : Json(nullptr)},
                       {"file", p.has_contents ? Json(file) : Json(nullptr)}});
  }
  for (const OperatorPorts& o : parameters.operators)
    operators.push_back(
        {{"kind", o.kind}, {"inputs", o.inputs}, {"outputs", o.outputs}, {"intermediates", o.intermediates}});
  Json index = {{"model", model}, {"tensors", std::move(tensors)}, {"operators", std::move(operators)}};
  index["channel_exponents"] = parameters.channel_exponents;
  index["reader"] = std::string(name_of(parameters.reader));
  OCTET_TRY(
      save_file(folder + "/" + kIndexName, index.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"));
  return index;
}

Result<ModelParameters> read_parameters(const std::string& folder) {
  const std::string path = folder + "/" + kIndexName;
  OCTET_ASSIGN(const std::string text, read_text(path, kMaxIndex));
  const Json doc = Json::parse(text, nullptr, false);
  if (doc.is_discarded() || !doc.is_object() || !doc.contains("tensors") || !doc["tensors"].is_array())
    return Status::invalid(path + ": not an index of tensors");
  ModelParameters parameters;
  for (const Json& t : doc["tensors"]) {
    if (!t.is_object() || !t.contains("name") || !t["name"].is_string())
      return Status::invalid(fmt::format("{}: entry {} has no name", path, parameters.tensors.size()));
    auto entry = entry_of(t, folder);
    if (!entry.ok())
      return std::move(entry).status().at(fmt::format("{}: tensor '{}'", path, t["name"].get<std::string>()));
    parameters.tensors.push_back(*std::move(entry));
  }
  OCTET_TRY(read_exponents(doc, parameters).at(path));
  if (!doc.contains("operators")) return parameters;
  if (!doc["operators"].is_array()) return Status::invalid(path + ": 'operators' must be a list");
  for (const Json& o : doc["operators"]) {
    OCTET_ASSIGN(OperatorPorts ports,
                 ports_of(o).at(fmt::format("{}: operator {}", path, parameters.operators.size())));
    parameters.operators.push_back(std::move(ports));
  }
  return parameters;
}

}  // namespace octet
