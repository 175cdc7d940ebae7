// Statistics as a file: a line that says what it is, the length of an index in JSON, the index, and after it
// the bytes of the kept samples.
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "octet/try.hpp"
#include "quant/json_util.hpp"
#include "quant/statistics/statistics.hpp"

namespace octet {
namespace {

using StatisticsJson = nlohmann::json;

constexpr std::string_view kMagic = "octet statistics 2\n";
constexpr int64_t kMaxSamples = int64_t{1} << 50;

struct RoleName {
  SampleRole role;
  const char* name;
};
constexpr RoleName kKeptRoles[] = {
    {SampleRole::correct, "correct"}, {SampleRole::select, "select"}, {SampleRole::held_out, "held_out"}};

// A piece of the bytes after the index.
StatisticsJson put(std::string& blob, const std::vector<std::byte>& bytes) {
  const size_t at = blob.size();
  blob.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return StatisticsJson::array({at, bytes.size()});
}

Result<std::vector<std::byte>> take(std::string_view blob, const StatisticsJson& tensor, const char* key) {
  const auto it = tensor.find(key);
  if (it == tensor.end() || !it->is_array() || it->size() != 2 || !(*it)[0].is_number_unsigned() ||
      !(*it)[1].is_number_unsigned())
    return Status::invalid(fmt::format("'{}' is not a place in the file", key));
  const auto at = (*it)[0].get<uint64_t>(), size = (*it)[1].get<uint64_t>();
  if (at > blob.size() || size > blob.size() - at)
    return Status::invalid(fmt::format("'{}' lies outside of the file", key));
  const auto* begin = reinterpret_cast<const std::byte*>(blob.data()) + at;
  return std::vector<std::byte>(begin, begin + size);
}

StatisticsJson save_samples(const SampleSet& set, std::string& blob) {
  StatisticsJson list = StatisticsJson::array();
  for (const auto& [index, tensors] : set) {
    StatisticsJson sample = StatisticsJson::array();
    for (const KeptTensor& t : tensors)
      sample.push_back({{"dtype", static_cast<int>(t.dtype)},
                        {"shape", std::vector<int32_t>(t.shape.dims().begin(), t.shape.dims().end())},
                        {"table", put(blob, t.table)},
                        {"data", put(blob, t.data)}});
    list.push_back({{"index", index}, {"tensors", std::move(sample)}});
  }
  return list;
}

Result<KeptTensor> load_tensor(const StatisticsJson& json, std::string_view blob) {
  KeptTensor t;
  OCTET_ASSIGN(const int64_t dtype, json_int(json, "dtype", 0, kDTypeCount - 1));
  t.dtype = static_cast<DType>(dtype);
  const auto shape = json.find("shape");
  if (shape == json.end() || !shape->is_array() || shape->size() > Shape::kMaxRank)
    return Status::invalid("'shape' is not a shape");
  for (const StatisticsJson& d : *shape) {
    if (!d.is_number_unsigned() || d.get<uint64_t>() > INT32_MAX)
      return Status::invalid("'shape' is not a shape");
    t.shape.push_back(d.get<int32_t>());
  }
  OCTET_ASSIGN(t.table, take(blob, json, "table"));
  OCTET_ASSIGN(t.data, take(blob, json, "data"));
  OCTET_TRY(t.check());
  return t;
}

Status load_samples(const StatisticsJson& json, std::string_view blob, SampleSet& set) {
  if (!json.is_array()) return Status::invalid("kept samples are not a list");
  for (const StatisticsJson& sample : json) {
    OCTET_ASSIGN(const int64_t index, json_int(sample, "index", 0, kMaxSamples));
    const auto tensors = sample.find("tensors");
    if (tensors == sample.end() || !tensors->is_array())
      return Status::invalid("a kept sample has no tensors");
    std::vector<KeptTensor>& kept = set[index];
    kept.clear();
    for (const StatisticsJson& t : *tensors) {
      OCTET_ASSIGN(KeptTensor tensor, load_tensor(t, blob));
      kept.push_back(std::move(tensor));
    }
  }
  return {};
}

Result<uint64_t> load_origin(const StatisticsJson& json) {
  OCTET_ASSIGN(const std::string text, json_string(json, "origin"));
  uint64_t origin = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), origin, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.size() != 16)
    return Status::invalid("'origin' is not 16 hexadecimal digits");
  return origin;
}

StatisticsJson save_values(const ValueStatistics& values, bool running) {
  StatisticsJson list = StatisticsJson::array();
  for (const auto& [key, s] : values) {
    StatisticsJson entry = s.save(running);
    entry["name"] = key.first;
    entry["origin"] = fmt::format("{:016x}", key.second);
    list.push_back(std::move(entry));
  }
  return list;
}

Status load_values(const StatisticsJson& index, const char* key, ValueStatistics& values) {
  const auto list = index.find(key);
  if (list == index.end() || !list->is_array())
    return Status::invalid(fmt::format("'{}' is not a list", key));
  for (const StatisticsJson& v : *list) {
    OCTET_ASSIGN(std::string name, json_string(v, "name"));
    OCTET_ASSIGN(const uint64_t origin, load_origin(v).at(name));
    OCTET_TRY((values[{name, origin}].load(v).at(fmt::format("value '{}'", name))));
  }
  return {};
}

}  // namespace

std::string StatisticsStore::to_bytes() const {
  std::string blob;
  StatisticsJson kept = StatisticsJson::object();
  for (const RoleName& r : kKeptRoles)
    kept[r.name] = save_samples(this->kept(r.role), blob);
  const StatisticsJson index = {{"samples", samples_},
                                {"held_out", skipped_},
                                {"total", scope_.total},
                                {"shard", scope_.shard},
                                {"shards", scope_.shards},
                                {"running", scope_.running},
                                {"partial", partial_},
                                {"values", save_values(values_, scope_.running)},
                                {"held_out_values", save_values(held_out_values_, scope_.running)},
                                {"kept", std::move(kept)}};
  const std::string text = index.dump(-1, ' ', false, StatisticsJson::error_handler_t::replace);
  return fmt::format("{}{}\n{}\n", kMagic, text.size(), text) + blob;
}

Result<StatisticsStore> StatisticsStore::from_bytes(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return Status::invalid("is not a statistics file of this version");
  bytes.remove_prefix(kMagic.size());
  size_t length = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), length);
  const auto digits = static_cast<size_t>(end - bytes.data());
  if (error != std::errc() || digits >= bytes.size() || bytes[digits] != '\n' ||
      length >= bytes.size() - digits - 1)
    return Status::invalid("is truncated");
  OCTET_ASSIGN(const StatisticsJson index, parse_json(bytes.substr(digits + 1, length)));
  const std::string_view blob = bytes.substr(digits + length + 2);
  StatisticsStore s;
  OCTET_ASSIGN(s.samples_, json_int(index, "samples", 0, kMaxSamples));
  OCTET_ASSIGN(s.skipped_, json_int(index, "held_out", 0, kMaxSamples));
  OCTET_ASSIGN(s.scope_.total, json_int(index, "total", -1, kMaxSamples));
  OCTET_ASSIGN(s.scope_.shards, json_int(index, "shards", 1, kMaxSamples));
  OCTET_ASSIGN(s.scope_.shard, json_int(index, "shard", 0, s.scope_.shards - 1));
  for (auto [key, to] : {std::pair{"running", &s.scope_.running}, {"partial", &s.partial_}}) {
    const auto it = index.find(key);
    if (it == index.end() || !it->is_boolean())
      return Status::invalid(fmt::format("'{}' is not true or false", key));
    *to = it->get<bool>();
  }
  OCTET_TRY(load_values(index, "values", s.values_));
  OCTET_TRY(load_values(index, "held_out_values", s.held_out_values_));
  const auto kept = index.find("kept");
  if (kept == index.end() || !kept->is_object()) return Status::invalid("'kept' is not an object");
  for (const RoleName& r : kKeptRoles) {
    const auto it = kept->find(r.name);
    if (it == kept->end()) return Status::invalid(fmt::format("'{}' is missing", r.name));
    SampleSet& to = r.role == SampleRole::correct  ? s.correct_
                    : r.role == SampleRole::select ? s.select_
                                                   : s.held_out_;
    OCTET_TRY(load_samples(*it, blob, to).at(r.name));
  }
  return s;
}

Status StatisticsStore::save(const std::string& path) const {
  return write_file(path, to_bytes());
}

Result<StatisticsStore> StatisticsStore::load(const std::string& path) {
  OCTET_ASSIGN(const std::string bytes, read_file(path));
  return from_bytes(bytes).at(path);
}

}  // namespace octet
