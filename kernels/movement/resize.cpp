// RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR of NHWC images.
//
// Positions are computed in float exactly as TFLite does (scale as one rounded quotient), because a rounding
// apart can pick another pixel. The bilinear reference interpolates in double and rounds integers half to
// even.
#include "kernels/movement/resize.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/strides.hpp"

namespace octet {

Result<InferredShapes> infer_resize(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  if (in.rank() != 4) return Status::corrupt(fmt::format("takes a 4-D image, not {}", in.to_string()));
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto size, integers_of(n.in[1]));
  if (size.size() != 2) return Status::corrupt(fmt::format("the new size has {} entries", size.size()));
  Shape out = in;
  for (int i = 0; i < 2; ++i) {
    const auto d = checked_cast<int32_t>(size[static_cast<size_t>(i)]);
    if (!d || *d < 0)
      return Status::corrupt(fmt::format("the new size has extent {}", size[static_cast<size_t>(i)]));
    out[i + 1] = *d;
    if (*d > 0 && in[i + 1] == 0)
      return Status::invalid(fmt::format("{} has no pixels to resize", in.to_string()));
  }
  return one(out);
}

namespace {

float scale_of(int32_t in, int32_t out, bool align_corners) {
  return align_corners && out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                                  : static_cast<float>(in) / static_cast<float>(out);
}

// ---------------------------------------------------------------------------------------------------------

Result<InferredShapes> infer_bilinear(const NodeDesc& n) {
  const auto& attr = n.attr<ResizeAttrs>();
  if (attr.align_corners && attr.half_pixel_centers)
    return Status::corrupt("align_corners and half_pixel_centers exclude each other");
  return infer_resize(n);
}

}  // namespace

std::vector<ResizeTap> resize_taps(int32_t in, int32_t out, const ResizeAttrs& attr) {
  const float scale = scale_of(in, out, attr.align_corners);
  std::vector<ResizeTap> taps;
  for (int32_t i = 0; i < out; ++i) {
    const float at = attr.half_pixel_centers ? (static_cast<float>(i) + 0.5f) * scale - 0.5f
                                             : static_cast<float>(i) * scale;
    const auto lower = std::clamp(static_cast<int32_t>(std::floor(at)), 0, in - 1);
    const auto upper = std::min(lower + 1, in - 1);
    taps.push_back({lower, upper, std::clamp(static_cast<double>(at) - lower, 0.0, 1.0)});
  }
  return taps;
}

Status resize_tables_fit(const Shape& out) {
  constexpr int32_t kMaxRows = 1 << 20;
  if (out[1] > kMaxRows || out[2] > kMaxRows)
    return Status::exhausted(
        fmt::format("an image of {} x {} pixels; at most {} on a side", out[1], out[2], kMaxRows));
  return {};
}

namespace {

template <class T>
KernelResult bilinear(const NodeDesc& n) {
  const Shape in = n.in[0].shape, out = n.out[0].shape;
  if (out.elements() == 0) return make_kernel([](const RunArgs&) { return Status(); });
  OCTET_TRY(resize_tables_fit(out));
  const auto& attr = n.attr<ResizeAttrs>();
  const auto ys = resize_taps(in[1], out[1], attr), xs = resize_taps(in[2], out[2], attr);
  return make_kernel([=](const RunArgs& args) -> Status {
    const int64_t channels = in[3], row = in[2] * channels;
    const auto rows = static_cast<size_t>(out[0]) * static_cast<size_t>(out[1]);
    args.pool.for_range(rows, 1, [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) {
        const ResizeTap& y = ys[r % ys.size()];
        const T* image =
            static_cast<const T*>(args.in[0]) + static_cast<int64_t>(r / ys.size()) * in[1] * row;
        const T *upper = image + y.lower * row, *lower = image + y.upper * row;
        T* dst = static_cast<T*>(args.out[0]) + static_cast<int64_t>(r) * out[2] * channels;
        for (const ResizeTap& x : xs) {
          for (int64_t c = 0; c < channels; ++c) {
            auto mix = [](double a, double b, double w) { return a * (1 - w) + b * w; };
            const double top = mix(static_cast<double>(upper[x.lower * channels + c]),
                                   static_cast<double>(upper[x.upper * channels + c]), x.weight);
            const double bottom = mix(static_cast<double>(lower[x.lower * channels + c]),
                                      static_cast<double>(lower[x.upper * channels + c]), x.weight);
            const double v = mix(top, bottom, y.weight);
            if constexpr (std::is_integral_v<T>)
              *dst++ = saturate<T>(round_even(v));
            else
              *dst++ = static_cast<T>(v);
          }
        }
      }
    });
    return {};
  });
}

KernelResult create_bilinear(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(moved_element(n).status());
  switch (n.in[0].dtype) {
    case DType::float32: return bilinear<float>(n);
    case DType::int8: return bilinear<int8_t>(n);
    case DType::uint8: return bilinear<uint8_t>(n);
    case DType::int16: return bilinear<int16_t>(n);
    default: return Status::unsupported(fmt::format("{} images", name_of(n.in[0].dtype)));
  }
}

// ---------------------------------------------------------------------------------------------------------

std::vector<int64_t> nearest(int32_t in, int32_t out, int64_t stride, const ResizeAttrs& attr) {
  const float scale = scale_of(in, out, attr.align_corners);
  const float offset = attr.half_pixel_centers ? 0.5f : 0.0f;
  std::vector<int64_t> table;
  for (int32_t i = 0; i < out; ++i) {
    const float at = (static_cast<float>(i) + offset) * scale;
    const auto pixel = static_cast<int32_t>(attr.align_corners ? std::round(at) : std::floor(at));
    table.push_back(std::clamp(pixel, 0, in - 1) * stride);
  }
  return table;
}

Result<Rearrangement> describe_nearest(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  const Shape &in = n.in[0].shape, &out = n.out[0].shape;
  if (out.elements() == 0) {
    r.make_empty();
    return r;
  }
  OCTET_TRY(fits_tables(out));
  const auto strides = strides_of(in);
  const auto& attr = n.attr<ResizeAttrs>();
  r.axes = {SourceAxis::by_step(in[0], strides[0]),
            SourceAxis::by_table(nearest(in[1], out[1], strides[1], attr)),
            SourceAxis::by_table(nearest(in[2], out[2], strides[2], attr)), SourceAxis::by_step(in[3], 1)};
  return r;
}

}  // namespace

const OpSpec& spec_RESIZE_BILINEAR() {
  static const OpSpec spec{
      .kind = OpKind::RESIZE_BILINEAR,
      .traits = Trait::channelwise | Trait::homogeneous | Trait::monotone,
      .inputs = {2, 2},
      .infer = infer_bilinear,
      .reference = {"reference", create_bilinear},
      .fast = {{"xnnpack", create_resize_bilinear_xnnpack, cost::per_element<200>},
               {"line-blend", create_resize_bilinear_lines, cost::per_element<400>}},
      .quant = QuantRule::mixing({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 4,
      .readers = {kEveryForm, kFloatAndInt8},
      .notes = "align_corners or half_pixel_centers",
  };
  return spec;
}

const OpSpec& spec_RESIZE_NEAREST_NEIGHBOR() {
  static const OpSpec spec{
      .kind = OpKind::RESIZE_NEAREST_NEIGHBOR,
      .traits = kMovesAlone | Trait::channelwise,
      .inputs = {2, 2},
      .infer = infer_resize,
      .reference = {"reference", create_moved_reference<describe_nearest>},
      .fast = {{"copy-runs", create_moved<describe_nearest>, cost::per_element<150>}},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 4,
  };
  return spec;
}

}  // namespace octet
