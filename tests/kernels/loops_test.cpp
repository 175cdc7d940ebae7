// Every set of inner loops that this CPU can run, against the portable ones: the same bits, whatever
// OCTET_ISA or the best instruction set would choose.
#include "kernels/elementwise/loops.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <vector>

#include "kernels/elementwise/binary.hpp"
#include "kernels/linear/loops.hpp"
#include "kernels/reduce/softmax_table.hpp"
#include "tests/kernels/linear_case.hpp"

namespace octet::test {
namespace {

using namespace octet::linear;

// Calls f with the name of each instruction set and the CPU lowered to it.
template <class F>
void for_each_isa(F f) {
  for (const std::string_view name : isa_names()) {
    CAPTURE(name);
    f(lowered_to(name));
  }
}

// A row of depthwise output pixels with the taps of a 3x3 window, 13 channels of a block to store.
template <class T>
std::vector<T> run_rows(const DepthwiseLoops::Rows& rows, bool in_pairs, int64_t pixels) {
  constexpr int64_t kTaps = 9, kWidth = 13, kPixel = kLanes, kRow = 20;
  const auto x = random_integers<T>(3 * kRow * kPixel + 64, std::is_signed_v<T> ? -128 : 0,
                                    std::is_signed_v<T> ? 127 : 255, 1);
  const auto w = random_integers<int16_t>(kTaps * kLanes, -127, 127, 2);
  const int64_t columns = (3 + 1 + rows.together - 1) / rows.together * rows.together;
  const int64_t taps = in_pairs ? 3 * columns : (kTaps + rows.together - 1) / rows.together * rows.together;
  std::vector<ptrdiff_t> offsets;
  std::vector<int16_t> words(static_cast<size_t>(taps * kLanes * 2), 0);
  std::vector<int8_t> bytes(words.size(), 0);
  std::vector<int32_t> bias(kLanes, 0);
  const auto put = [&](int64_t at, int16_t v) {
    words[static_cast<size_t>(at)] = v;
    bytes[static_cast<size_t>(at)] = static_cast<int8_t>(v);
  };
  for (int64_t t = 0; t < taps; ++t) {
    const int64_t h = in_pairs ? t / columns : std::min(t, kTaps - 1) / 3;
    const int64_t c = in_pairs ? t % columns : std::min(t, kTaps - 1) % 3;
    offsets.push_back((h * kRow + c) * kPixel);
  }
  for (int64_t t = 0; t < kTaps; ++t)
    for (int64_t c = 0; c < kLanes; ++c) {
      const int16_t v = w[static_cast<size_t>(t * kLanes + c)];
      if (rows.bytes) bias[static_cast<size_t>(c)] -= 128 * v;
      if (!in_pairs) {
        put(packed_index(t, c, kLanes, rows.together), v);
        continue;
      }
      for (const int64_t second : {0, 1}) {
        const int64_t k = t / 3 * columns + t % 3 + second;
        put(((k / rows.together * 2 + second) * kLanes + c) * rows.together + k % rows.together, v);
      }
    }
  std::vector<float> scale(kLanes);
  for (size_t c = 0; c < scale.size(); ++c)
    scale[c] = 0.0005f * static_cast<float>(c + 1);
  std::vector<T> out(static_cast<size_t>(pixels * kPixel), 0);
  const bool is_signed = std::is_signed_v<T>;
  const DepthwiseRow row{
      .base = reinterpret_cast<const std::byte*>(x.data()),
      .step = kPixel,
      .offsets = offsets.data(),
      .taps = taps,
      .pixels = pixels,
      .weights = rows.bytes ? static_cast<const void*>(bytes.data()) : words.data(),
      .bias = bias.data(),
      .requant = {scale.data(), is_signed ? -120.0f : 3.0f, is_signed ? 110.0f : 200.0f, 5},
      .out = reinterpret_cast<std::byte*>(out.data()),
      .out_step = kPixel,
      .width = kWidth};
  (in_pairs ? rows.pairs : rows.row)(row);
  return out;
}

template <class T>
void check_rows(const DepthwiseLoops::Rows& rows, const DepthwiseLoops::Rows& portable) {
  const bool exists = rows.row != nullptr;
  REQUIRE(exists);
  for (const int64_t pixels : {1, 2, 6, 13}) {
    CAPTURE(pixels);
    const auto want = run_rows<T>(portable, false, pixels);
    CHECK(run_rows<T>(rows, false, pixels) == want);
    const bool has_pairs = rows.pairs != nullptr;
    if (has_pairs && pixels % 2 == 0) CHECK(run_rows<T>(rows, true, pixels) == want);
  }
}

TEST_CASE("depthwise rows of every instruction set have the bits of the portable ones") {
  const DepthwiseLoops portable = linear_loops_of(Cpu()).depthwise;
  // The portable ones, against the definition: pixel 0, channel 2.
  const auto x = random_integers<int8_t>(3 * 20 * 16 + 64, -128, 127, 1);
  const auto w = random_integers<int16_t>(9 * 16, -127, 127, 2);
  int sum = 0;
  for (size_t t = 0; t < 9; ++t)
    sum += x[(t / 3 * 20 + t % 3) * 16 + 2] * w[t * 16 + 2];
  const float real = std::min(std::max(static_cast<float>(sum) * 0.0015f, -120.0f), 110.0f);
  CHECK(std::abs(static_cast<float>(run_rows<int8_t>(portable.s8, false, 1)[2]) - 5 - real) <= 0.5f);
  for_each_isa([&](const Cpu& cpu) {
    const DepthwiseLoops loops = linear_loops_of(cpu).depthwise;
    check_rows<int8_t>(loops.s8, portable.s8);
    check_rows<uint8_t>(loops.u8, portable.u8);
    const bool has_bytes = loops.s8_bytes.row != nullptr;
    CHECK(has_bytes == (cpu.has(CpuFeature::avx_vnni) || cpu.has(CpuFeature::avx512_vnni)));
    if (has_bytes) check_rows<int8_t>(loops.s8_bytes, portable.s8);
  });
}

TEST_CASE("panels of every instruction set have the bits of the portable ones") {
  const auto left = random_integers<int16_t>(4 * 38, -255, 255, 3);
  const auto right = random_integers<int16_t>(16 * 38, -255, 255, 4);
  for (const int64_t depth : {2, 4, 38}) {
    CAPTURE(depth);
    const auto packed = [&](const std::vector<int16_t>& from, int64_t width, int64_t together) {
      std::vector<int16_t> to(static_cast<size_t>(depth * width) + 64, 0);
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t i = 0; i < width; ++i)
          to[static_cast<size_t>(packed_index(k, i, width, together))] =
              from[static_cast<size_t>(i * 38 + k)];
      return to;
    };
    std::vector<int32_t> sums(kPanelRows * kLanes, 0);
    for (int64_t i = 0; i < kPanelRows; ++i)
      for (int64_t j = 0; j < kLanes; ++j)
        for (int64_t k = 0; k < depth; ++k)
          sums[static_cast<size_t>(i * kLanes + j)] +=
              left[static_cast<size_t>(i * 38 + k)] * right[static_cast<size_t>(j * 38 + k)];
    std::vector<std::byte> first_s8, first_u8;
    for_each_isa([&](const Cpu& cpu) {
      const PanelLoops loops = linear_loops_of(cpu).panels;
      const auto l = packed(left, kPanelRows, loops.together), r = packed(right, kLanes, loops.together);
      const int16_t* rows[] = {left.data(), left.data() + 38, left.data() + 2 * 38, left.data() + 3 * 38};
      std::vector<int32_t> acc(sums.size());
      loops.row_sums(rows, r.data(), depth, acc.data());
      CHECK(acc == sums);
      const auto tile = [&](void (*loop)(const PanelJob&), float lo, float hi) {
        std::vector<std::byte> out(kPanelRows * kLanes);
        loop({.left = l.data(),
              .right = r.data(),
              .depth = depth,
              .scale = 0.0004f,
              .lo = lo,
              .hi = hi,
              .zero = 4,
              .out = out.data()});
        return out;
      };
      const auto s8 = tile(loops.s8, -130, 120), u8 = tile(loops.u8, -2, 240);
      if (first_s8.empty()) {  // the weakest set: against the definition
        first_s8 = s8, first_u8 = u8;
        for (size_t i = 0; i < sums.size(); ++i) {
          const float v = static_cast<float>(sums[i]) * 0.0004f;
          CHECK(std::abs(static_cast<float>(static_cast<int8_t>(s8[i])) - 4 -
                         std::min(std::max(v, -130.0f), 120.0f)) <= 0.5f);
        }
      }
      CHECK(s8 == first_s8);
      CHECK(u8 == first_u8);
    });
  }
}

TEST_CASE("averages of every instruction set have the bits of the portable ones") {
  const auto x = random_integers<int8_t>(40 * 16 + 64, -128, 127, 5);
  std::vector<ptrdiff_t> offsets;
  for (ptrdiff_t t = 0; t < 11; ++t)
    offsets.push_back(t * 3 * 16);
  const auto run = [&](void (*loop)(const AverageRow&), int zero) {
    std::vector<std::byte> out(5 * 16);
    loop({.base = reinterpret_cast<const std::byte*>(x.data()),
          .step = 16,
          .offsets = offsets.data(),
          .taps = 11,
          .pixels = 5,
          .shift = zero * 11,
          .ratio = 1.25f,
          .divisor = 11,
          .lo = static_cast<float>(-zero - 100),
          .hi = 90,
          .zero = zero,
          .out = out.data(),
          .out_step = 16,
          .width = 15});
    return out;
  };
  const AverageLoops portable = linear_loops_of(Cpu()).averages;
  double sum = 0;
  for (const ptrdiff_t o : offsets)
    sum += x[static_cast<size_t>(o)] - 3;
  CHECK(std::abs(static_cast<int8_t>(run(portable.s8, 3)[0]) - 3 - sum * 1.25 / 11) <= 0.5001);
  for_each_isa([&](const Cpu& cpu) {
    const AverageLoops loops = linear_loops_of(cpu).averages;
    CHECK(run(loops.s8, 3) == run(portable.s8, 3));
    CHECK(run(loops.u8, 100) == run(portable.u8, 100));
  });
}

TEST_CASE("look-ups of every instruction set read the table") {
  alignas(64) uint8_t table[256];
  for (size_t i = 0; i < 256; ++i)
    table[i] = static_cast<uint8_t>(i * 73 + 19);
  for_each_isa([&](const Cpu& cpu) {
    const LookUpLoop look_up = elementwise_loops_of(cpu).look_up;
    for (const size_t n : {1, 15, 64, 257, 1000}) {
      CAPTURE(n);
      const auto in = random_integers<uint8_t>(n, 0, 255, 6);
      std::vector<uint8_t> want(n), out(n);
      for (size_t i = 0; i < n; ++i)
        want[i] = table[in[i]];
      look_up(table, in.data(), out.data(), n);
      CHECK(out == want);
    }
  });
}

TEST_CASE("softmax sums of every instruction set are those of the portable loop") {
  softmax::Table t;
  for (size_t d = 0; d < 256; ++d) {
    t.exp[d] = static_cast<uint32_t>(softmax::Table::kOne / static_cast<double>(1 + d * d));
    for (size_t byte = 0; byte < 4; ++byte)
      t.exp_bytes[byte][d] = static_cast<uint8_t>(t.exp[d] >> (8 * byte));
  }
  for_each_isa([&](const Cpu& cpu) {
    const softmax::Loops loops = softmax::loops_of(cpu);
    for (const size_t n : {1, 16, 63, 64, 300})
      for (const uint8_t flip : {0, 128}) {
        const auto in = random_integers<uint8_t>(n, 20, 220, 7);
        uint8_t greatest = 0;
        uint64_t sum = 0;
        for (const uint8_t q : in)
          greatest = std::max<uint8_t>(greatest, q ^ flip);
        for (const uint8_t q : in)
          sum += t.exp[static_cast<size_t>(greatest - (q ^ flip))];
        const softmax::Summary s = loops.summarize(t, in.data(), n, flip);
        CHECK(s.greatest == greatest);
        CHECK(s.sum == sum);
      }
  });
}

template <class T>
void check_products(OpKind kind, DType type, const QuantizedParams& p) {
  std::vector<T> a, b;
  for (int x = 0; x < 256; ++x)
    for (int y = 0; y < 256; ++y)
      a.push_back(static_cast<T>(x)), b.push_back(static_cast<T>(y));
  a.pop_back(), b.pop_back();  // not a multiple of any vector
  std::vector<T> out(a.size()), portable(a.size());
  const void* in[] = {a.data(), b.data()};
  portable_quantized_fn(kind, type)(in, portable.data(), portable.size(), &p);
  for_each_isa([&](const Cpu& cpu) {
    const Broadcast::BlockFn fn = byte_product_fn(elementwise_loops_of(cpu), kind, type, p);
    const bool has_fn = fn != nullptr;
    CHECK(has_fn == (cpu.loops() == LoopIsa::avx2));
    if (!has_fn) return;
    fn(in, out.data(), out.size(), &p);
    CHECK(out == portable);
  });
}

TEST_CASE("products of bytes by intrinsics have the bits of the portable loop") {
  for (const OpKind kind : {OpKind::MUL, OpKind::PRELU, OpKind::SQUARED_DIFFERENCE}) {
    // Factors that are powers of two make ties.
    for (const float o : {0.0117f, 0.125f}) {
      QuantizedParams p{
          .za = 3, .zb = -7, .zo = 5, .a = 0.25f, .b = o, .o = o, .lo = -128 - 5, .hi = 120 - 5};
      check_products<int8_t>(kind, DType::int8, p);
      p = {.za = 130, .zb = 121, .zo = 5, .a = 0.25f, .b = o, .o = o, .lo = 0 - 5, .hi = 250 - 5};
      check_products<uint8_t>(kind, DType::uint8, p);
    }
  }
}

}  // namespace
}  // namespace octet::test
