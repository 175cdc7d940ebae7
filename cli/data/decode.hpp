// Pictures as pixels: libpng and libjpeg-turbo do the work, this keeps them inside limits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octet/status.hpp"

namespace octet {

struct Pixels {
  int32_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // height x width x 3, or x 4 with alpha
};

// More than a camera takes, and 100 MB when decoded.
inline constexpr int64_t kMaxPixels = int64_t{1} << 25;

// A PNG or JPEG file. `alpha`: four channels. `enough_width`, `enough_height`: where a JPEG has more than
// four times as many pixels a side, it is decoded to half, a quarter or an eighth of its size, which is at
// least twice what is asked for; 0: whole. Errors for damaged pictures, those of other kinds, and those that
// are larger than kMaxPixels when decoded; nothing is allocated before that is known.
Result<Pixels> decode_picture(std::span<const std::byte> file, bool alpha, int32_t enough_width = 0,
                              int32_t enough_height = 0);

}  // namespace octet
