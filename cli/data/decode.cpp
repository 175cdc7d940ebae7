#include "cli/data/decode.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
// clang-format off: jpeglib.h needs FILE and size_t before.
#include <jpeglib.h>
#include <png.h>
// clang-format on

#include "octet/try.hpp"

namespace octet {
namespace {

// Both libraries report errors by a jump back to where they were called. What lives across such a jump is in
// these structs, outside of the functions that are jumped in; those have nothing to destroy.

Status too_large(int64_t width, int64_t height) {
  return Status::exhausted(fmt::format("a picture of {}x{} is too large: the limit is {} million pixels",
                                       width, height, kMaxPixels / 1000000));
}

Status damaged(const char* why) {
  return Status::invalid(fmt::format("damaged picture: {}", why));
}

// ---- PNG ------------------------------------------------------------------------------------------------

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const std::byte> file;
  size_t at = 0;
  std::array<char, 128> why{};
  Pixels pixels;
  std::vector<png_bytep> rows;

  PngReader() = default;
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void png_bytes(png_structp png, png_bytep out, size_t n) {
  auto* r = static_cast<PngReader*>(png_get_io_ptr(png));
  if (n > r->file.size() - r->at) png_error(png, "the file ends too early");
  std::memcpy(out, r->file.data() + r->at, n);
  r->at += n;
}

[[noreturn]] void png_failed(png_structp png, png_const_charp message) {
  auto* r = static_cast<PngReader*>(png_get_error_ptr(png));
  std::snprintf(r->why.data(), r->why.size(), "%s", message);
  png_longjmp(png, 1);
}

void png_warned(png_structp, png_const_charp) {}

// Everything becomes 8-bit RGB or RGBA. False: see `why`.
bool png_header(PngReader& r, bool alpha) {
  if (setjmp(png_jmpbuf(r.png)) != 0) return false;
  png_set_read_fn(r.png, &r, png_bytes);
  // Colour profiles, texts and the like may be as large as they please; they are not looked at.
  png_set_chunk_malloc_max(r.png, 1 << 20);
  png_set_chunk_cache_max(r.png, 16);
  png_set_user_limits(r.png, 1 << 24, 1 << 24);
  png_read_info(r.png, r.info);
  png_set_expand(r.png);
  png_set_strip_16(r.png);
  png_set_gray_to_rgb(r.png);
  if (alpha)
    png_set_add_alpha(r.png, 255, PNG_FILLER_AFTER);
  else
    png_set_strip_alpha(r.png);
  png_set_interlace_handling(r.png);
  png_read_update_info(r.png, r.info);
  return true;
}

bool png_pixels(PngReader& r) {
  if (setjmp(png_jmpbuf(r.png)) != 0) return false;
  png_read_image(r.png, r.rows.data());
  return true;
}

Result<Pixels> decode_png(std::span<const std::byte> file, bool alpha) {
  PngReader r;
  r.file = file;
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, png_failed, png_warned);
  if (r.png == nullptr) return Status::exhausted("out of memory");
  r.info = png_create_info_struct(r.png);
  if (r.info == nullptr) return Status::exhausted("out of memory");
  if (!png_header(r, alpha)) return damaged(r.why.data());
  const auto width = static_cast<int64_t>(png_get_image_width(r.png, r.info)),
             height = static_cast<int64_t>(png_get_image_height(r.png, r.info));
  if (width * height > kMaxPixels) return too_large(width, height);
  const size_t row = png_get_rowbytes(r.png, r.info);
  if (row != static_cast<size_t>(width) * (alpha ? 4 : 3)) return damaged("its rows have another size");
  r.pixels = {static_cast<int32_t>(width), static_cast<int32_t>(height),
              std::vector<uint8_t>(row * static_cast<size_t>(height))};
  for (int64_t y = 0; y < height; ++y)
    r.rows.push_back(r.pixels.rgb.data() + static_cast<size_t>(y) * row);
  if (!png_pixels(r)) return damaged(r.why.data());
  return std::move(r.pixels);
}

// ---- JPEG -----------------------------------------------------------------------------------------------

// More scans than any encoder writes: each costs a pass over the whole picture.
constexpr int kMostScans = 500;

struct JpegReader {
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump;
  jpeg_decompress_struct info{};
  std::array<char, JMSG_LENGTH_MAX> why{};
  std::vector<uint8_t> row;

  JpegReader() = default;
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info); }
};

JpegReader& reader_of(j_common_ptr info) {
  return *static_cast<JpegReader*>(info->client_data);
}

[[noreturn]] void jpeg_failed(j_common_ptr info) {
  JpegReader& r = reader_of(info);
  info->err->format_message(info, r.why.data());
  std::longjmp(r.jump, 1);
}

// Data that ends too early, or is nonsense in the middle, is a warning for the library and an error here:
// grey areas are no picture.
void jpeg_warned(j_common_ptr info, int level) {
  if (level < 0) jpeg_failed(info);
}

void jpeg_advanced(j_common_ptr info) {
  JpegReader& r = reader_of(info);
  if (r.info.input_scan_number <= kMostScans) return;
  std::snprintf(r.why.data(), r.why.size(), "more than %d scans", kMostScans);
  std::longjmp(r.jump, 1);
}

bool jpeg_header(JpegReader& r, std::span<const std::byte> file) {
  if (setjmp(r.jump) != 0) return false;
  jpeg_create_decompress(&r.info);
  r.info.client_data = &r;
  r.info.progress = &r.progress;
  jpeg_mem_src(&r.info, reinterpret_cast<const unsigned char*>(file.data()),
               static_cast<unsigned long>(file.size()));
  jpeg_read_header(&r.info, TRUE);
  return true;
}

bool jpeg_start(JpegReader& r) {
  if (setjmp(r.jump) != 0) return false;
  jpeg_start_decompress(&r.info);
  return true;
}

bool jpeg_row(JpegReader& r) {
  if (setjmp(r.jump) != 0) return false;
  JSAMPROW row = r.row.data();
  jpeg_read_scanlines(&r.info, &row, 1);
  return true;
}

// One row of the library's to RGB or RGBA.
void convert_row(const std::vector<uint8_t>& in, bool cmyk, bool inverted, size_t width, bool alpha,
                 uint8_t* out) {
  for (size_t x = 0; x < width; ++x, out += alpha ? 4 : 3) {
    if (cmyk) {
      const uint8_t* p = &in[4 * x];
      for (int c = 0; c < 3; ++c) {
        // Adobe's programs store the ink that is missing.
        const int ink = inverted ? p[c] : 255 - p[c], black = inverted ? p[3] : 255 - p[3];
        out[c] = static_cast<uint8_t>((ink * black + 127) / 255);
      }
    } else {
      std::memcpy(out, &in[3 * x], 3);
    }
    if (alpha) out[3] = 255;
  }
}

Result<Pixels> decode_jpeg(std::span<const std::byte> file, bool alpha, int32_t enough_width,
                           int32_t enough_height) {
  JpegReader r;
  r.info.err = jpeg_std_error(&r.errors);
  r.errors.error_exit = jpeg_failed;
  r.errors.emit_message = jpeg_warned;
  r.progress.progress_monitor = jpeg_advanced;
  // Before jpeg_create_decompress(), which clears the rest: what an error in it needs.
  r.info.client_data = &r;
  if (!jpeg_header(r, file)) return damaged(r.why.data());
  const int64_t whole_width = r.info.image_width, whole_height = r.info.image_height;
  r.info.scale_num = 8;
  r.info.scale_denom = 8;
  const auto at = [](int64_t whole, unsigned eighths) { return (whole * eighths + 7) / 8; };
  for (unsigned eighths : {4U, 2U, 1U})
    if (enough_width > 0 && enough_height > 0 && at(whole_width, eighths) >= int64_t{2} * enough_width &&
        at(whole_height, eighths) >= int64_t{2} * enough_height)
      r.info.scale_num = eighths;
  const int64_t width = at(whole_width, r.info.scale_num), height = at(whole_height, r.info.scale_num);
  if (width * height > kMaxPixels) return too_large(whole_width, whole_height);
  const bool cmyk = r.info.jpeg_color_space == JCS_CMYK || r.info.jpeg_color_space == JCS_YCCK;
  r.info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  if (!jpeg_start(r)) return damaged(r.why.data());
  const size_t channels = alpha ? 4 : 3, columns = r.info.output_width;
  Pixels pixels{static_cast<int32_t>(r.info.output_width), static_cast<int32_t>(r.info.output_height), {}};
  pixels.rgb.resize(columns * r.info.output_height * channels);
  r.row.resize(columns * static_cast<size_t>(r.info.output_components));
  for (size_t y = 0; y < r.info.output_height; ++y) {
    if (!jpeg_row(r)) return damaged(r.why.data());
    convert_row(r.row, cmyk, r.info.saw_Adobe_marker != 0, columns, alpha,
                &pixels.rgb[y * columns * channels]);
  }
  return pixels;
}

bool starts_with(std::span<const std::byte> file, std::initializer_list<int> bytes) {
  return file.size() >= bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), file.begin(),
                    [](int a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

}  // namespace

Result<Pixels> decode_picture(std::span<const std::byte> file, bool alpha, int32_t enough_width,
                              int32_t enough_height) {
  if (starts_with(file, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'})) return decode_png(file, alpha);
  if (starts_with(file, {0xff, 0xd8, 0xff})) return decode_jpeg(file, alpha, enough_width, enough_height);
  if (starts_with(file, {'B', 'M'})) return Status::unsupported("BMP pictures are not read; store it as PNG");
  return Status::invalid("not a PNG or JPEG picture");
}

}  // namespace octet
