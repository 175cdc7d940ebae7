#include "cli/implant_entry.hpp"

#include <cmath>
#include <fmt/format.h>

#include "cli/data/byte_source.hpp"
#include "cli/data/npy.hpp"
#include "cli/tensor_exchange.hpp"
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

Result<Quantization> quantization_of(const Json& entry, const std::string& folder) {
  OCTET_ASSIGN(const auto scale, numbers_of(entry, "scale", folder));
  OCTET_ASSIGN(auto zero, numbers_of(entry, "zero_point", folder));
  if (scale.empty() && zero.empty()) return Quantization();
  if (zero.empty()) zero.assign(scale.size(), 0);
  if (zero.size() == 1 && scale.size() > 1) zero.assign(scale.size(), zero[0]);
  if (scale.size() != zero.size())
    return Status::invalid(fmt::format("{} scales and {} zero points", scale.size(), zero.size()));
  std::vector<Affine> params;
  for (size_t i = 0; i < scale.size(); ++i) {
    const auto s = static_cast<float>(scale[i]);
    if (!(s > 0) || !std::isfinite(s))
      return Status::invalid(fmt::format("scale {} is not possible", scale[i]));
    if (zero[i] != std::trunc(zero[i]) || std::abs(zero[i]) > 2147483647.0)
      return Status::invalid(fmt::format("zero point {} is not possible", zero[i]));
    params.push_back({s, static_cast<int64_t>(zero[i])});
  }
  if (entry.contains("block") && !entry["block"].is_null()) {
    if (!entry["block"].is_number_integer()) return Status::invalid("'block' must be an integer");
    const auto block = entry["block"].get<int64_t>();
    if (block < 1 || block > INT32_MAX)
      return Status::invalid(fmt::format("blocks of {} are not possible", block));
    return Quantization::blockwise(static_cast<int32_t>(block), std::move(params));
  }
  const bool has_axis = entry.contains("axis") && !entry["axis"].is_null();
  if (has_axis && !entry["axis"].is_number_integer()) return Status::invalid("'axis' must be an integer");
  if (!has_axis && params.size() > 1) return Status::invalid("several scales need an 'axis'");
  if (!has_axis) return Quantization::per_tensor(params[0]);
  const int64_t axis = entry["axis"].get<int64_t>();
  if (axis < 0 || axis >= Shape::kMaxRank)
    return Status::invalid(fmt::format("axis {} is not possible", axis));
  return Quantization::per_channel(static_cast<int>(axis), std::move(params));
}

Result<ImplantEntry> entry_of(const Json& json, const std::string& folder) {
  ImplantEntry e;
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
    e.file = json["file"].get<std::string>();
  }
  OCTET_ASSIGN(e.quant, quantization_of(json, folder));
  return e;
}

}  // namespace

Result<std::vector<ImplantEntry>> read_index(const std::string& folder) {
  const std::string path = folder + "/" + kIndexName;
  OCTET_ASSIGN(const std::string text, read_text(path, kMaxIndex));
  const Json doc = Json::parse(text, nullptr, false);
  if (doc.is_discarded() || !doc.is_object() || !doc.contains("tensors") || !doc["tensors"].is_array())
    return Status::invalid(path + ": not an index of tensors");
  std::vector<ImplantEntry> entries;
  for (const Json& t : doc["tensors"]) {
    if (!t.is_object() || !t.contains("name") || !t["name"].is_string())
      return Status::invalid(fmt::format("{}: entry {} has no name", path, entries.size()));
    auto entry = entry_of(t, folder);
    if (!entry.ok())
      return std::move(entry).status().at(fmt::format("{}: tensor '{}'", path, t["name"].get<std::string>()));
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace octet
