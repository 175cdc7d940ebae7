#include "cli/data/image.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <span>

#include "cli/data/byte_source.hpp"
#include "cli/data/decode.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int64_t kMaxFile = int64_t{1} << 28;

// For each output position: the first input position and the weights from there on. Weights are fixed point
// with 22 bits behind the point, which is what is left of 32 bits beside 8-bit pixels and a sign and guard
// bit.
constexpr int kWeightBits = 22;
struct Taps {
  int32_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> triangle(int32_t in_size, double begin, double end, int32_t out_size) {
  const double scale = (end - begin) / out_size;
  const double support = std::max(scale, 1.0);  // the triangle's half width
  std::vector<Taps> taps(static_cast<size_t>(out_size));
  for (int32_t o = 0; o < out_size; ++o) {
    const double center = begin + (o + 0.5) * scale;
    const int32_t first = std::max(0, static_cast<int32_t>(std::floor(center - support + 0.5)));
    const int32_t last = std::min(in_size, static_cast<int32_t>(std::floor(center + support + 0.5)));
    std::vector<double> w;
    double sum = 0;
    for (int32_t i = first; i < last; ++i) {
      w.push_back(std::max(0.0, 1.0 - std::abs((i + 0.5 - center) / support)));
      sum += w.back();
    }
    Taps& t = taps[static_cast<size_t>(o)];
    t.first = first;
    for (double x : w)
      t.weights.push_back(static_cast<int32_t>(std::floor(x / sum * (1 << kWeightBits) + 0.5)));
  }
  return taps;
}

uint8_t to_pixel(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

// Convolve along one axis: `lines` lines, whose pixels are `step` bytes apart, every `line_step` bytes.
void resample(const uint8_t* in, uint8_t* out, const std::vector<Taps>& taps, int32_t lines, size_t in_line,
              size_t out_line, size_t step, size_t channels) {
  for (size_t l = 0; l < static_cast<size_t>(lines); ++l)
    for (size_t o = 0; o < taps.size(); ++o)
      for (size_t c = 0; c < channels; ++c) {
        int32_t sum = 1 << (kWeightBits - 1);
        const uint8_t* p = in + l * in_line + static_cast<size_t>(taps[o].first) * step + c;
        for (size_t k = 0; k < taps[o].weights.size(); ++k)
          sum += taps[o].weights[k] * p[k * step];
        out[l * out_line + o * step + c] = to_pixel(sum);
      }
}

Image cut_middle(const Image& image, int32_t width, int32_t height) {
  Image out{width, height, image.channels, {}};
  const int32_t x = (image.width - width) / 2, y = (image.height - height) / 2;
  const size_t row = static_cast<size_t>(width) * static_cast<size_t>(image.channels);
  out.pixels.resize(row * static_cast<size_t>(height));
  for (int32_t r = 0; r < height; ++r)
    std::memcpy(&out.pixels[static_cast<size_t>(r) * row],
                &image.pixels[(static_cast<size_t>(y + r) * static_cast<size_t>(image.width) +
                               static_cast<size_t>(x)) *
                              static_cast<size_t>(image.channels)],
                row);
  return out;
}

// Where height, width and channels are in a tensor's shape.
struct Layout {
  int32_t height, width, channels;
  bool channels_first;
};
Result<Layout> layout_of(const Shape& s) {
  const int lead = s.rank() == 4 && s[0] == 1 ? 1 : 0;
  const auto is_depth = [](int32_t c) { return c == 1 || c == 3 || c == 4; };
  if (s.rank() - lead == 3 && is_depth(s[-1])) return Layout{s[lead], s[lead + 1], s[lead + 2], false};
  if (s.rank() - lead == 3 && is_depth(s[lead])) return Layout{s[lead + 1], s[lead + 2], s[lead], true};
  if (s.rank() - lead == 2 && s.rank() == 2) return Layout{s[0], s[1], 1, false};
  return Status::invalid(fmt::format("a picture does not go into an input of shape {}", s.to_string()));
}

Result<Image> fit(Image image, const ImageOptions& o, const Layout& want) {
  const double w = image.width * o.crop, h = image.height * o.crop;
  const Box box{(image.width - w) / 2, (image.height - h) / 2, (image.width + w) / 2, (image.height + h) / 2};
  int32_t width = want.width, height = want.height;
  switch (o.fit) {
    case ImageOptions::Fit::stretch: return resize(image, width, height, box);
    case ImageOptions::Fit::none: width = image.width, height = image.height; break;
    case ImageOptions::Fit::exact: height = o.resize_to[0], width = o.resize_to[1]; break;
    case ImageOptions::Fit::short_side: {
      const double ratio = o.resize_to[0] / std::min(w, h);
      width = w <= h ? o.resize_to[0] : static_cast<int32_t>(w * ratio);
      height = w <= h ? static_cast<int32_t>(h * ratio) : o.resize_to[0];
    }
  }
  const bool whole = o.fit == ImageOptions::Fit::none;
  if (width < want.width || height < want.height || (whole && (width != want.width || height != want.height)))
    return Status::invalid(fmt::format("the picture is {}x{} (height x width), the input {}x{}", height,
                                       width, want.height, want.width));
  if (!whole) image = resize(image, width, height, box);
  return cut_middle(image, want.width, want.height);
}

double pick(const std::vector<double>& v, size_t c, double otherwise) {
  return v.empty() ? otherwise : v[v.size() == 1 ? 0 : c];
}

}  // namespace

bool is_image_name(const std::string& path) {
  const std::string ext = extension_of(path);
  return ext == ".png" || ext == ".jpg" || ext == ".jpeg";
}

Result<Image> load_image(const std::string& path, int channels, int32_t enough_width, int32_t enough_height) {
  OCTET_ASSIGN(const std::string bytes, read_text(path, kMaxFile));
  OCTET_ASSIGN(
      Pixels decoded,
      decode_picture(std::as_bytes(std::span(bytes)), channels == 4, enough_width, enough_height).at(path));
  Image image{decoded.width, decoded.height, channels, std::move(decoded.rgb)};
  if (channels != 1) return image;
  // 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, rounded.
  const size_t n = image.pixels.size() / 3;
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* p = &image.pixels[3 * i];
    image.pixels[i] = static_cast<uint8_t>((19595U * p[0] + 38470U * p[1] + 7471U * p[2] + 32768U) >> 16);
  }
  image.pixels.resize(n);
  return image;
}

Image resize(const Image& image, int32_t width, int32_t height, const Box& box) {
  const size_t c = static_cast<size_t>(image.channels), iw = static_cast<size_t>(image.width),
               ow = static_cast<size_t>(width);
  Image rows{width, image.height, image.channels, {}}, out{width, height, image.channels, {}};
  // An axis that stays as it is is not filtered at all.
  if (width == image.width && box.left == 0 && box.right == image.width) {
    rows.pixels = image.pixels;
  } else {
    rows.pixels.resize(ow * static_cast<size_t>(image.height) * c);
    resample(image.pixels.data(), rows.pixels.data(), triangle(image.width, box.left, box.right, width),
             image.height, iw * c, ow * c, c, c);
  }
  if (height == image.height && box.top == 0 && box.bottom == image.height) return rows;
  out.pixels.resize(ow * static_cast<size_t>(height) * c);
  resample(rows.pixels.data(), out.pixels.data(), triangle(image.height, box.top, box.bottom, height), width,
           c, c, ow * c, c);
  return out;
}

Status read_image(const std::string& path, const ImageOptions& options, const TensorView& out) {
  OCTET_ASSIGN(const Layout want, layout_of(out.shape));
  // Only what is resized anyway may come in another size.
  const bool resized = options.fit == ImageOptions::Fit::stretch && options.crop == 1.0;
  OCTET_ASSIGN(Image image,
               load_image(path, want.channels, resized ? want.width : 0, resized ? want.height : 0));
  OCTET_ASSIGN(image, fit(std::move(image), options, want).at(path));
  const size_t channels = static_cast<size_t>(want.channels), n = image.pixels.size() / channels;
  for (const auto* v : {&options.mean, &options.std})
    if (v->size() > 1 && v->size() != channels)
      return Status::invalid(fmt::format("{} values of mean or std for {} channels", v->size(), channels));
  const bool raw = !is_float(out.dtype) && options.mean.empty() && options.std.empty() && !options.scale;
  const int64_t shift = raw && out.dtype == DType::int8 ? 128 : 0;
  std::vector<float> real(raw ? 0 : n * channels);
  std::vector<int16_t> whole(raw ? n * channels : 0);
  for (size_t i = 0; i < n; ++i)
    for (size_t c = 0; c < channels; ++c) {
      const size_t from = options.bgr && channels >= 3 && c < 3 ? 2 - c : c;
      const size_t to = want.channels_first ? c * n + i : i * channels + c;
      const uint8_t pixel = image.pixels[i * channels + from];
      if (raw)
        whole[to] = static_cast<int16_t>(pixel - shift);
      else
        real[to] = static_cast<float>((pixel * options.scale.value_or(1.0) - pick(options.mean, c, 0.0)) /
                                      pick(options.std, c, 1.0));
    }
  if (raw) return convert_elements(std::as_bytes(std::span(whole)), DType::int16, out).at(path);
  return convert_elements(std::as_bytes(std::span(real)), DType::float32, out).at(path);
}

}  // namespace octet
