#include "quant/assign/scales.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "kernels/quant_math.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

constexpr double kWeightLevels = 127;

// Squared rounding error of weights w[begin + k * stride] at a scale.
double rounding_error(std::span<const float> w, double scale) {
  double sum = 0;
  const double inverse = 1 / scale;
  for (float v : w) {
    const auto x = static_cast<double>(v);
    const double e = x - scale * std::clamp(round_even(x * inverse), -kWeightLevels, kWeightLevels);
    sum += e * e;
  }
  return sum;
}

// (Q5) The scale near max|w| / 127 with the least rounding error. Where a channel has few weights, it matters
// much how they happen to fall on the grid.
float best_scale(std::span<const float> w, float reach) {
  const float plain = std::max(static_cast<float>(static_cast<double>(reach) / kWeightLevels), kLeastScale);
  constexpr size_t kBudget = 1 << 15;  // weights times candidates
  const size_t candidates = std::min<size_t>(kBudget / std::max<size_t>(w.size(), 1), 48);
  float best = plain;
  double least = rounding_error(w, static_cast<double>(plain));
  for (size_t i = 1; i <= candidates; ++i) {
    // From 1 down to 0.88: what is clipped is counted like what is rounded.
    const float s = plain * (1.0f - 0.12f * static_cast<float>(i) / static_cast<float>(candidates));
    if (s < kLeastScale) break;
    const double e = rounding_error(w, static_cast<double>(s));
    if (e < least) {
      least = e;
      best = s;
    }
  }
  return best;
}

// The scale among a few slightly greater ones that costs least: rounding for the bulk of the values (Q4), and
// the very error of each point.
double fit_points(double lo, double scale, std::span<const MassPoint> points) {
  constexpr double kMostGrowth = 1.04;
  std::vector<double> candidates{scale};
  double bulk = 1;
  for (const MassPoint& p : points) {
    bulk -= p.share;
    const double steps = std::floor(std::fabs(static_cast<double>(p.value)) / scale);
    for (double k = steps; k >= 1 && k >= steps - 12; --k)
      candidates.push_back(std::fabs(static_cast<double>(p.value)) / k);
  }
  double best = scale, least = -1;
  for (double s : candidates) {
    if (s < scale || s > kMostGrowth * scale) continue;
    const double zero = std::clamp(round_even(-128 - lo / s), -128.0, 127.0);
    double cost = std::max(bulk, 0.0) * s * s / 12;
    for (const MassPoint& p : points) {
      const auto x = static_cast<double>(p.value);
      const double q = std::clamp(round_even(x / s) + zero, -128.0, 127.0);
      const double error = x - s * (q - zero);
      cost += p.share * error * error;
    }
    if (least >= 0 && cost >= least) continue;
    least = cost;
    best = s;
  }
  return best;
}

constexpr double kInt4Levels = 7;

// What rounding to int4 at a scale costs, and the scale that fits the integers it gives best.
struct Int4Fit {
  double error = 0, better = 0;
};
Int4Fit fit_int4(std::span<const float> w, double scale) {
  const double inverse = 1 / scale;
  double error = 0, products = 0, squares = 0;
  for (float v : w) {
    const auto x = static_cast<double>(v);
    const double q = std::clamp(round_even(x * inverse), -kInt4Levels, kInt4Levels);
    error += (x - scale * q) * (x - scale * q);
    products += x * q;
    squares += q * q;
  }
  return {error, squares > 0 ? products / squares : scale};
}

// `round` gives the nearest scale that can be stored. 0 when all weights are.
template <class Round>
float best_int4_scale(std::span<const float> w, const Round& round) {
  constexpr int kSteps = 32, kRefinements = 4;
  double reach = 0;
  for (float v : w)
    if (std::isfinite(v)) reach = std::max(reach, std::fabs(static_cast<double>(v)));
  if (reach == 0) return 0;
  float best = round(reach / kInt4Levels);
  Int4Fit fit = fit_int4(w, static_cast<double>(best));
  const auto take = [&](double scale) {
    const float s = round(scale);
    const Int4Fit f = fit_int4(w, static_cast<double>(s));
    if (!(f.error < fit.error)) return false;
    best = s;
    fit = f;
    return true;
  };
  // Few levels are enough for weights that are multiples of something.
  for (int levels = 1; levels < 7; ++levels)
    take(reach / levels);
  // From all of the range down to half of it: what is clipped is counted like what is rounded.
  for (int i = 1; i <= kSteps; ++i)
    take(reach / kInt4Levels * (1 - 0.5 * i / kSteps));
  for (int i = 0; i < kRefinements && take(fit.better); ++i) {
  }
  return best;
}

float plain_scale(double scale) {
  return std::max(static_cast<float>(scale), kLeastScale);
}

// The nearest float with eight significant bits, from 2^-17, below which float16 has fewer.
float block_scale(double scale) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(scale));
  const float rounded = std::bit_cast<float>((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000u);
  return std::clamp(rounded, 0x1p-17f, 65280.0f);
}

// Slices without weights get the largest scale of the others.
std::vector<Affine> affines_of(const std::vector<float>& scales) {
  const float largest = scales.empty() ? 0 : *std::max_element(scales.begin(), scales.end());
  std::vector<Affine> params;
  for (float s : scales)
    params.push_back({s > 0 ? s : largest > 0 ? largest : 1.0f, 0});
  return params;
}

std::vector<std::vector<float>> slices_of(std::span<const float> weights, const Channels& channels) {
  std::vector<std::vector<float>> slices(static_cast<size_t>(channels.count));
  for (auto& s : slices)
    s.reserve(weights.size() / slices.size());
  for (size_t i = 0; i < weights.size(); ++i)
    slices[channels.of(static_cast<int64_t>(i))].push_back(weights[i]);
  return slices;
}

}  // namespace

Affine activation_affine(Range r, std::string& note, std::span<const MassPoint> points) {
  note.clear();
  const double lo = std::min(static_cast<double>(r.min), 0.0), hi = std::max(static_cast<double>(r.max), 0.0);
  if (lo == hi) {
    note = "is always zero; its scale is set to 1";
    return {1.0f, 0};
  }
  double scale = (hi - lo) / 255;
  if (scale < static_cast<double>(kLeastScale)) {
    note = fmt::format("has the range [{:g}, {:g}], too small for a scale; its scale is set to {:g}", lo, hi,
                       kLeastScale);
    scale = static_cast<double>(kLeastScale);
  }
  scale = fit_points(lo, scale, points);
  const double zero = round_even(-128 - lo / scale);
  return {static_cast<float>(scale), static_cast<int64_t>(std::clamp(zero, -128.0, 127.0))};
}

Affine int16_affine(const TensorRule& rule, Range r, std::string& note) {
  note.clear();
  const double reach = std::max(std::fabs(static_cast<double>(r.min)), std::fabs(static_cast<double>(r.max)));
  if (rule.kind == TensorRule::Kind::power_of_two16) {
    float scale = kLeastCellScale;
    while (scale < kMostCellScale && reach > 32768 * static_cast<double>(scale))
      scale *= 2;
    if (reach > 32768 * static_cast<double>(scale))
      note = fmt::format("reaches {:g}; it saturates at {:g}", reach, 32768 * scale);
    return {scale, 0};
  }
  if (reach == 0) {
    note = "is always zero; its scale is set to 1";
    return {1.0f, 0};
  }
  return {std::max(static_cast<float>(reach / rule.levels), kLeastScale), 0};
}

Affine affine_of(DType type, Range r, std::string& note, std::span<const MassPoint> points) {
  return type == DType::int16 ? int16_affine(symmetric16(), r, note) : activation_affine(r, note, points);
}

Range range_of(const Affine& a, DType type) {
  const IntRange i = range_of(type);
  return {static_cast<float>(dequantize(i.lo, a)), static_cast<float>(dequantize(i.hi, a))};
}

Range range_of_constant(std::span<const float> values, NonFiniteCounts& odd) {
  Range r;
  bool any = false;
  for (float v : values) {
    if (std::isnan(v)) {
      ++odd.nan;
    } else if (std::isinf(v)) {
      ++odd.infinite;
    } else if (v <= kFill) {
      ++odd.fill;
    } else {
      r.min = any ? std::min(r.min, v) : v;
      r.max = any ? std::max(r.max, v) : v;
      any = true;
    }
  }
  return r;
}

Channels channels_of(const Shape& shape, int axis) {
  if (axis < 0 || axis >= shape.rank()) return {};
  return {std::max<int64_t>(shape[axis], 1), std::max<int64_t>(shape.elements(axis + 1, shape.rank()), 1)};
}

Channels channels_of(const Shape& shape, const Quantization& q) {
  if (q.is_blockwise()) return {static_cast<int64_t>(q.params().size()), q.block()};
  return q.is_per_channel() ? channels_of(shape, *q.axis()) : Channels{};
}

WeightScales weight_scales(std::span<const float> weights, const Shape& shape, int axis) {
  const Channels channels = channels_of(shape, axis);
  const auto count = static_cast<size_t>(channels.count);
  const std::vector<std::vector<float>> slices = slices_of(weights, channels);
  WeightScales result;
  result.scale.assign(count, 0.0f);
  float largest = 0;
  for (size_t c = 0; c < count; ++c) {
    float reach = 0;
    for (float w : slices[c])
      if (std::isfinite(w)) reach = std::max(reach, std::fabs(w));
    if (reach == 0) {
      result.dead.push_back(static_cast<int>(c));
      continue;
    }
    result.scale[c] = best_scale(slices[c], reach);
    largest = std::max(largest, result.scale[c]);
  }
  for (int c : result.dead)
    result.scale[static_cast<size_t>(c)] = largest > 0 ? largest : 1.0f;
  return result;
}

Quantization int4_quantization(std::span<const float> weights, const Shape& shape, int axis) {
  std::vector<float> scales;
  for (const auto& slice : slices_of(weights, channels_of(shape, axis)))
    scales.push_back(best_int4_scale(slice, plain_scale));
  std::vector<Affine> params = affines_of(scales);
  return axis < 0 ? Quantization::per_tensor(params[0]) : Quantization::per_channel(axis, std::move(params));
}

Quantization int4_blocks(std::span<const float> weights, int32_t block) {
  std::vector<float> scales;
  for (; !weights.empty(); weights = weights.subspan(static_cast<size_t>(block)))
    scales.push_back(best_int4_scale(weights.first(static_cast<size_t>(block)), block_scale));
  return Quantization::blockwise(block, affines_of(scales));
}

std::vector<int8_t> int4_weights(std::span<const float> weights, const Shape& shape, const Quantization& q) {
  const Channels channels = channels_of(shape, q);
  std::vector<int8_t> out(weights.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = quantize<int8_t>(static_cast<double>(weights[i]), q.at(channels.of(static_cast<int64_t>(i))),
                              -kInt4Levels, kInt4Levels);
  return out;
}

Constant quantize_constant(const Value& value, const Quantization& q, DType type, bool symmetric) {
  const auto in = value.constant.as<float>();
  const Channels channels = channels_of(value.shape, q);
  auto affine_at = [&](size_t i) -> const Affine& { return q.at(channels.of(static_cast<int64_t>(i))); };
  auto all_as = [&]<class T>(T) {
    std::vector<T> out(in.size());
    for (size_t i = 0; i < in.size(); ++i)
      out[i] = quantize<T>(static_cast<double>(in[i]), affine_at(i));
    return Constant::of(out);
  };
  if (type == DType::int64) return all_as(int64_t{});
  if (type == DType::int32) return all_as(int32_t{});
  if (type == DType::int16) return all_as(int16_t{});
  const double lo = symmetric ? -kWeightLevels : -128.0;
  std::vector<int8_t> out(in.size());
  for (size_t i = 0; i < in.size(); ++i)
    out[i] = quantize<int8_t>(static_cast<double>(in[i]), affine_at(i), lo, 127.0);
  return Constant::of(out);
}

}  // namespace octet
