// Pictures as tensors: decoding, cropping, resizing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

struct Image {
  int32_t width = 0, height = 0, channels = 0;
  std::vector<uint8_t> pixels;  // height x width x channels
};

// A part of an image in pixels; edges need not be whole.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
};

// PNG or JPEG, as 1 (grey, ITU-R 601 luma), 3 (RGB) or 4 (RGBA) channels. A large JPEG of which a size is
// enough may come smaller than it is (decode.hpp).
Result<Image> load_image(const std::string& path, int channels, int32_t enough_width = 0,
                         int32_t enough_height = 0);
bool is_image_name(const std::string& path);

// Bilinear with antialiasing: a triangle filter whose width grows with the reduction, first along rows, then
// along columns, rounded to 8 bits after each; what Pillow's Image.BILINEAR does.
Image resize(const Image& image, int32_t width, int32_t height, const Box& box);

// What becomes of a picture on its way into a tensor, in this order.
struct ImageOptions {
  double crop = 1.0;  // keep this share of width and height, in the middle
  enum class Fit : uint8_t {
    stretch,     // resize to the tensor's size
    short_side,  // resize so that the short side is `resize_to[0]`, then cut the middle
    exact,       // resize to `resize_to` (height, width), then cut the middle
    none,        // the picture has to have the tensor's size
  };
  Fit fit = Fit::stretch;
  std::array<int32_t, 2> resize_to{};
  bool bgr = false;
  // value = (pixel * scale - mean) / std, per channel; one number serves all channels. When none of the three
  // is given, an integer tensor takes the pixels themselves (an int8 one: pixel - 128).
  std::vector<double> mean, std;
  std::optional<double> scale;

  // Whether anything is said of pictures.
  bool given() const {
    return crop != 1.0 || fit != Fit::stretch || bgr || !mean.empty() || !std.empty() || scale.has_value();
  }
};

// Read a picture into a tensor of shape [1,] H, W, C or [1,] C, H, W (C one of 1, 3, 4).
Status read_image(const std::string& path, const ImageOptions& options, const TensorView& out);

}  // namespace octet
