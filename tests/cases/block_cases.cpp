// DEPTH_TO_SPACE, SPACE_TO_DEPTH, SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND, RESIZE_*
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/cases/movement_oracle.hpp"

namespace octet::test {
namespace {

void blocks(std::vector<OpCase>& t) {
  auto depth = [&](Shape s, int32_t b, bool bench = false) {
    OpCase c = moving(
        fmt::format("{} by {}", s.to_string(), b), OpKind::DEPTH_TO_SPACE, BlockAttrs{b}, {random_tensor(s)},
        moved([b](const NodeDesc& n, const Values&, const Index& o) {
          const int64_t c_out = n.out[0].shape[3];
          return std::optional(Index{o[0], o[1] / b, o[2] / b, (o[1] % b * b + o[2] % b) * c_out + o[3]});
        }));
    c.bench = bench;
    t.push_back(std::move(c));
  };
  depth({1, 2, 3, 4}, 2);
  depth({2, 3, 2, 18}, 3);
  depth({1, 4, 4, 5}, 1);
  depth({1, 120, 160, 9}, 3, true);
  auto space = [&](Shape s, int32_t b) {
    t.push_back(moving(fmt::format("{} by {}", s.to_string(), b), OpKind::SPACE_TO_DEPTH, BlockAttrs{b},
                       {random_tensor(s)}, moved([b](const NodeDesc& n, const Values&, const Index& o) {
                         const int64_t c = n.in[0].shape[3], block = o[3] / c;
                         return std::optional(
                             Index{o[0], o[1] * b + block / b, o[2] * b + block % b, o[3] % c});
                       })));
  };
  space({1, 4, 6, 1}, 2);
  space({2, 6, 3, 5}, 3);
  space({1, 64, 64, 3}, 2);

  auto table = [](std::vector<double> v) {
    const auto rows = static_cast<int32_t>(v.size() / 2);
    return given({rows, 2}, std::move(v), DType::int32);
  };
  auto to_batch = [&](std::string name, Shape s, std::vector<double> block, std::vector<double> pads) {
    t.push_back(moving(std::move(name), OpKind::SPACE_TO_BATCH_ND, NoAttrs{},
                       {random_tensor(s, -1, 3), ints(block), table(pads)},
                       moved([](const NodeDesc& n, const Values& in, const Index& o) -> std::optional<Index> {
                         Index i = o;
                         const int64_t batch = n.in[0].shape[0];
                         int64_t position = o[0] / batch;
                         i[0] = o[0] % batch;
                         for (size_t a = in[1].size(); a >= 1; --a) {
                           const auto b = static_cast<int64_t>(in[1][a - 1]);
                           i[a] = o[a] * b + position % b - static_cast<int64_t>(in[2][2 * (a - 1)]);
                           position /= b;
                           if (i[a] < 0 || i[a] >= n.in[0].shape[static_cast<int>(a)]) return std::nullopt;
                         }
                         return i;
                       })));
  };
  to_batch("2x2", {1, 4, 6, 3}, {2, 2}, {0, 0, 0, 0});
  to_batch("padded", {2, 3, 5, 2}, {2, 3}, {1, 0, 0, 1});
  to_batch("one axis", {3, 4, 2}, {2}, {2, 0});
  auto to_space = [&](std::string name, Shape s, std::vector<double> block, std::vector<double> crops) {
    t.push_back(moving(std::move(name), OpKind::BATCH_TO_SPACE_ND, NoAttrs{},
                       {random_tensor(s), ints(block), table(crops)},
                       moved([](const NodeDesc& n, const Values& in, const Index& o) {
                         Index i = o;
                         int64_t position = 0;
                         for (size_t a = 1; a <= in[1].size(); ++a) {
                           const auto b = static_cast<int64_t>(in[1][a - 1]);
                           const int64_t full = o[a] + static_cast<int64_t>(in[2][2 * (a - 1)]);
                           i[a] = full / b;
                           position = position * b + full % b;
                         }
                         i[0] = position * n.out[0].shape[0] + o[0];
                         return std::optional(i);
                       })));
  };
  to_space("2x2", {4, 2, 3, 3}, {2, 2}, {0, 0, 0, 0});
  to_space("cropped", {12, 2, 2, 2}, {2, 3}, {1, 0, 0, 2});
  to_space("one axis", {6, 4, 2}, {3}, {2, 5});
}

// The position in the input, as the converter's documentation has it.
double position(int64_t i, int64_t in, int64_t out, const ResizeAttrs& a) {
  if (a.align_corners && out > 1)
    return static_cast<double>(i) * static_cast<double>(in - 1) / static_cast<double>(out - 1);
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  return a.half_pixel_centers ? (static_cast<double>(i) + 0.5) * scale - 0.5 : static_cast<double>(i) * scale;
}

double bilinear_at(const NodeDesc& n, const Values& in, const Index& o) {
  const auto& a = n.attr<ResizeAttrs>();
  const Shape &s = n.in[0].shape, &out = n.out[0].shape;
  const double y = std::clamp(position(o[1], s[1], out[1], a), 0.0, s[1] - 1.0);
  const double x = std::clamp(position(o[2], s[2], out[2], a), 0.0, s[2] - 1.0);
  double sum = 0;
  // Every pixel weighs what its tent over (y, x) says.
  for (int64_t i = 0; i < s[1]; ++i)
    for (int64_t j = 0; j < s[2]; ++j) {
      const double w = std::max(0.0, 1 - std::fabs(y - static_cast<double>(i))) *
                       std::max(0.0, 1 - std::fabs(x - static_cast<double>(j)));
      if (w > 0) sum += w * in[0][static_cast<size_t>(flat(s, {o[0], i, j, o[3]}))];
    }
  return sum;
}

void resizes(std::vector<OpCase>& t) {
  struct Mode {
    const char* name;
    ResizeAttrs attrs;
  };
  const Mode modes[] = {{"legacy", {}},
                        {"align corners", {.align_corners = true}},
                        {"half pixel", {.half_pixel_centers = true}}};
  struct Size {
    Shape in;
    double h, w;
  };
  const Size sizes[] = {{{1, 4, 4, 3}, 8, 8},   {{2, 5, 7, 4}, 3, 4}, {{1, 3, 3, 1}, 3, 3},
                        {{1, 1, 1, 5}, 4, 2},   {{1, 6, 5, 9}, 1, 1}, {{1, 4, 6, 2}, 9, 5},
                        {{1, 9, 9, 16}, 17, 17}};
  for (const Mode& mode : modes)
    for (const Size& size : sizes) {
      const std::string name = fmt::format("{} {} to {}x{}", mode.name, size.in.to_string(), size.h, size.w);
      OpCase c = moving(name, OpKind::RESIZE_BILINEAR, mode.attrs,
                        {random_tensor(size.in, -2, 3), ints({size.h, size.w})}, each_value(bilinear_at));
      c.int8_lsb = 0.001;
      t.push_back(c);
      // Quotients that are no floats decide ties in float: the oracle must see the same rounding.
      t.push_back(moving(
          name, OpKind::RESIZE_NEAREST_NEIGHBOR, mode.attrs, {random_tensor(size.in), ints({size.h, size.w})},
          moved([](const NodeDesc& n, const Values&, const Index& o) {
            const auto& a = n.attr<ResizeAttrs>();
            Index i = o;
            for (size_t k : {size_t{1}, size_t{2}}) {
              const int32_t in = n.in[0].shape[static_cast<int>(k)],
                            out = n.out[0].shape[static_cast<int>(k)];
              ResizeAttrs corner = a;
              corner.half_pixel_centers = false;
              double at = position(o[k], in, out, corner);
              if (a.half_pixel_centers) at = (static_cast<double>(o[k]) + 0.5) * in / out;
              // 1e-5: what is meant to be a whole number may be an ulp short of it in float
              i[k] = std::clamp<int64_t>(
                  static_cast<int64_t>(a.align_corners ? std::floor(at + 0.5) : std::floor(at + 1e-5)), 0,
                  in - 1);
            }
            return std::optional(i);
          })));
    }
  OpCase big = moving("56x56x64 to 112x112", OpKind::RESIZE_BILINEAR, ResizeAttrs{.half_pixel_centers = true},
                      {random_tensor({1, 56, 56, 64}), ints({112, 112})}, {});
  big.bench = true;
  t.push_back(big);
  big.kind = OpKind::RESIZE_NEAREST_NEIGHBOR;
  t.push_back(big);
}

}  // namespace

void block_cases(std::vector<OpCase>& t) {
  blocks(t);
  resizes(t);
}

}  // namespace octet::test
