#include "quant/assign/document_json.hpp"

#include <cmath>
#include <fmt/format.h>

#include "octet/quantize.hpp"
#include "octet/tensor.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using Json = nlohmann::ordered_json;

Result<std::vector<double>> numbers_in(const Json& object, const char* key) {
  const auto it = object.find(key);
  std::vector<double> numbers;
  if (it == object.end() || it->is_null()) return numbers;
  if (it->is_number()) return std::vector<double>{it->get<double>()};
  if (!it->is_array()) return Status::invalid(fmt::format("'{}' is no number and no list", key));
  for (const Json& x : *it) {
    if (!x.is_number()) return Status::invalid(fmt::format("'{}' holds something that is no number", key));
    numbers.push_back(x.get<double>());
  }
  return numbers;
}

Result<int32_t> whole_in(const Json& object, const char* key, int64_t lo, int64_t hi) {
  const Json& v = object[key];
  if (!v.is_number_integer() || v.get<int64_t>() < lo || v.get<int64_t>() > hi)
    return Status::invalid(fmt::format("'{}' is not a whole number from {} to {}", key, lo, hi));
  return v.get<int32_t>();
}

}  // namespace

Json quantization_json(const Quantization& q) {
  if (!q) return nullptr;
  if (!q.is_per_channel() && !q.is_blockwise())
    return {{"scale", q.scale()}, {"zero_point", q.at().zero_point}};
  Json scale = Json::array(), zero = Json::array();
  bool any_zero = false;
  for (const Affine& a : q.params()) {
    scale.push_back(a.scale);
    zero.push_back(a.zero_point);
    any_zero = any_zero || a.zero_point != 0;
  }
  Json json = {{"scale", std::move(scale)}};
  if (any_zero) json["zero_point"] = std::move(zero);
  if (q.axis()) json["axis"] = *q.axis();
  if (q.is_blockwise()) json["block"] = q.block();
  return json;
}

Result<Quantization> quantization_from(const Json& json) {
  if (json.is_null()) return Quantization();
  if (!json.is_object()) return Status::invalid("a quantization is not an object");
  OCTET_ASSIGN(const auto scale, numbers_in(json, "scale"));
  OCTET_ASSIGN(const auto zero, numbers_in(json, "zero_point"));
  if (scale.empty()) return Status::invalid("a quantization has no 'scale'");
  std::optional<int64_t> axis, block;
  if (json.contains("axis") && !json["axis"].is_null()) {
    OCTET_ASSIGN(axis, whole_in(json, "axis", 0, Shape::kMaxRank - 1));
  }
  if (json.contains("block") && !json["block"].is_null()) {
    OCTET_ASSIGN(block, whole_in(json, "block", 1, INT32_MAX));
  }
  return quantization_of(scale, zero, axis, block);
}

Result<DType> dtype_from(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it != object.end() && it->is_string())
    for (int i = 0; i < kDTypeCount; ++i)
      if (name_of(static_cast<DType>(i)) == it->get<std::string>()) return static_cast<DType>(i);
  return Status::invalid(fmt::format("'{}' is not an element type", key));
}

Result<Quantization> quantization_of(std::span<const double> scales, std::span<const double> zero_points,
                                     std::optional<int64_t> axis, std::optional<int64_t> block) {
  if (scales.empty()) return Status::invalid("there is no scale");
  if (zero_points.size() > 1 && zero_points.size() != scales.size())
    return Status::invalid(fmt::format("{} scales and {} zero points", scales.size(), zero_points.size()));
  std::vector<Affine> params;
  for (size_t i = 0; i < scales.size(); ++i) {
    const auto scale = static_cast<float>(scales[i]);
    const double zero = zero_points.empty() ? 0 : zero_points[zero_points.size() == 1 ? 0 : i];
    if (!(scale > 0) || !std::isfinite(scale))
      return Status::invalid(fmt::format("scale {} is not possible", scales[i]));
    if (zero != std::trunc(zero) || std::abs(zero) > 2147483647.0)
      return Status::invalid(fmt::format("zero point {} is not possible", zero));
    params.push_back({scale, static_cast<int64_t>(zero)});
  }
  if (block) {
    if (*block < 1 || *block > INT32_MAX)
      return Status::invalid(fmt::format("blocks of {} are not possible", *block));
    return Quantization::blockwise(static_cast<int32_t>(*block), std::move(params));
  }
  if (!axis && params.size() > 1) return Status::invalid("several scales need an 'axis'");
  if (!axis) return Quantization::per_tensor(params[0]);
  if (*axis < 0 || *axis >= Shape::kMaxRank)
    return Status::invalid(fmt::format("axis {} is not possible", *axis));
  return Quantization::per_channel(static_cast<int>(*axis), std::move(params));
}

}  // namespace octet
