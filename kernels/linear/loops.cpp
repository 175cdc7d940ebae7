// Which loops a CPU runs, and the portable ones: over a fixed number of lanes, which compilers turn into
// vectors.
#include "kernels/linear/loops.hpp"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "kernels/linear/finish.hpp"
#include "kernels/vector_loop.hpp"

namespace octet::linear {
namespace {

template <class T>
void portable_taps(const DepthwiseRow& r, const std::byte* base, int32_t* acc) {
  const auto* w = static_cast<const int16_t*>(r.weights);
  for (int64_t t = 0; t < r.taps; ++t) {
    const auto* x = reinterpret_cast<const T*>(base + r.offsets[t]);
    for (int64_t c = 0; c < kLanes; ++c)
      acc[c] += static_cast<int32_t>(x[c]) * w[t * kLanes + c];
  }
}

void portable_float_row(const DepthwiseRow& r) {
  const auto* bias = static_cast<const float*>(r.bias);
  for (int64_t p = 0; p < r.pixels; ++p) {
    alignas(64) float acc[kLanes];
    std::copy_n(bias, kLanes, acc);
    const auto* w = static_cast<const float*>(r.weights);
    for (int64_t t = 0; t < r.taps; ++t, w += kLanes) {
      const auto* x = reinterpret_cast<const float*>(r.base + p * r.step + r.offsets[t]);
      for (int64_t c = 0; c < kLanes; ++c)
        acc[c] += x[c] * w[c];
    }
    for (int64_t c = 0; c < kLanes; ++c)
      acc[c] = std::min(std::max(acc[c], r.requant.lo), r.requant.hi);
    std::memcpy(r.out + p * r.out_step, acc, static_cast<size_t>(r.width) * sizeof(float));
  }
}

// acc[row][lane] = sum over k of left[row][k] * right[k][lane]
void portable_sums(const int16_t* left, const int16_t* right, int64_t depth, int32_t* acc) {
  std::fill_n(acc, kPanelRows * kLanes, 0);
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const int32_t x = left[k * kPanelRows + i];
      for (int64_t j = 0; j < kLanes; ++j)
        acc[i * kLanes + j] += x * right[k * kLanes + j];
    }
}

void portable_row_sums(const int16_t* const* rows, const int16_t* right, int64_t depth, int32_t* acc) {
  std::fill_n(acc, kPanelRows * kLanes, 0);
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const int32_t x = rows[i][k];
      for (int64_t j = 0; j < kLanes; ++j)
        acc[i * kLanes + j] += x * right[k * kLanes + j];
    }
}

template <class T>
void portable_average(const AverageRow& r) {
  for (int64_t p = 0; p < r.pixels; ++p) {
    int16_t sum[kAverageLanes] = {};
    alignas(16) T y[kAverageLanes];
    for (int64_t t = 0; t < r.taps; ++t) {
      const auto* x = reinterpret_cast<const T*>(r.base + p * r.step + r.offsets[t]);
      for (int64_t c = 0; c < kAverageLanes; ++c)
        sum[c] = static_cast<int16_t>(sum[c] + x[c]);
    }
    for (int64_t c = 0; c < kAverageLanes; ++c) {
      const float v = static_cast<float>(sum[c] - r.shift) * r.ratio / r.divisor;
      y[c] = static_cast<T>(round_small(std::min(std::max(v, r.lo), r.hi)) + r.zero);
    }
    std::memcpy(r.out + p * r.out_step, y, static_cast<size_t>(r.width));
  }
}

constexpr LinearLoops kPortable{
    .depthwise = {.s8 = {depthwise_row<int8_t, portable_taps<int8_t>>},
                  .u8 = {depthwise_row<uint8_t, portable_taps<uint8_t>>},
                  .s8_bytes = {},
                  .f32 = portable_float_row},
    .panels = {1, panel_tile<int8_t, portable_sums>, panel_tile<uint8_t, portable_sums>, portable_row_sums},
    .averages = {portable_average<int8_t>, portable_average<uint8_t>}};

// Weakest first.
struct IsaRow {
  CpuFeature feature;
  void (*add)(LinearLoops&);
};
constexpr std::initializer_list<IsaRow> kIsas = {
#if defined(__x86_64__) || defined(__i386__)
    {CpuFeature::avx2, add_avx2},
    {CpuFeature::avx_vnni, add_avx_vnni},
    {CpuFeature::avx512_vnni, add_avx512_vnni},
#elif defined(__aarch64__) || defined(__arm__)
    {CpuFeature::neon, add_neon},
#endif
};

}  // namespace

LinearLoops linear_loops_of(const Cpu& cpu) {
  LinearLoops loops = kPortable;
  for (const IsaRow& isa : kIsas)
    if (cpu.has(isa.feature)) isa.add(loops);
  return loops;
}

const LinearLoops& linear_loops() {
  static const LinearLoops loops = linear_loops_of(cpu());
  return loops;
}

}  // namespace octet::linear
