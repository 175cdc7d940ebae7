// Data files: what is read, what is refused, and in which words.
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <minizip/zip.h>
#include <random>
#include <span>

#include "cli/data/dataset.hpp"
#include "cli/data/decode.hpp"
#include "cli/data/image.hpp"
#include "cli/data/labels.hpp"
#include "cli/data/npz.hpp"
#include "octet/convert.hpp"
#include "tests/cli/cli_support.hpp"

namespace octet {
namespace {

using test::TempFolder;
using test::write_bytes;
using test::write_floats;

// A version 1 .npy file with this dictionary.
std::string npy(const std::string& dict, const std::string& data, char version = 1) {
  std::string file("\x93NUMPY", 6);
  file += version;
  file += '\0';
  file += static_cast<char>(dict.size() & 0xff);
  file += static_cast<char>(dict.size() >> 8);
  if (version > 1) file += std::string(2, '\0');
  return file + dict + data;
}

std::string error_of(const std::string& file) {
  const TempFolder folder;
  write_bytes(folder / "a.npy", file);
  auto source = open_file(folder / "a.npy");
  return NpyArray::open(*std::move(source)).status().message();
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

InputSpec input(const Shape& shape, DType dtype = DType::float32, Quantization quant = {}) {
  return {"x", dtype, shape, {}, true, std::move(quant)};
}

std::string message_of(const Result<Dataset>& r) {
  return r.status().message();
}

TEST_CASE("npy: versions, byte orders and element orders") {
  const TempFolder folder;
  const auto read = [&](const std::string& file, std::vector<int16_t>& out) {
    write_bytes(folder / "a.npy", file);
    auto array = NpyArray::open(*open_file(folder / "a.npy"));
    REQUIRE(array.ok());
    REQUIRE(array->header().dtype == DType::int16);
    out.resize(static_cast<size_t>(array->header().elements()));
    REQUIRE(array->read(0, std::as_writable_bytes(std::span(out))).ok());
  };
  std::vector<int16_t> v;
  const std::vector<int16_t> six{1, 2, 3, 4, 5, 256};
  for (char version : {1, 2, 3}) {
    read(npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n", raw(six), version), v);
    CHECK(v == six);
  }
  read(npy("{'shape':(2,3),'fortran_order':True,\"descr\":'<i2'}", raw(six)), v);
  CHECK(v == std::vector<int16_t>{1, 3, 5, 2, 4, 256});
  read(npy("{'descr': '>i2', 'fortran_order': False, 'shape': (6,), }", raw(six)), v);
  CHECK(v == std::vector<int16_t>{256, 512, 768, 1024, 1280, 1});
  read(npy("{'descr': '<i2', 'fortran_order': False, 'shape': (), }", raw(std::vector<int16_t>{7})), v);
  CHECK(v == std::vector<int16_t>{7});
}

TEST_CASE("npy: damaged and foreign files are refused with a reason") {
  const std::string four = raw(std::vector<float>(4));
  CHECK(error_of("").find("too short") != std::string::npos);
  CHECK(error_of("this is no array at all").find("magic bytes") != std::string::npos);
  CHECK(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", four)).find("truncated") !=
        std::string::npos);
  CHECK(error_of(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", four))
            .find("Python objects") != std::string::npos);
  CHECK(error_of(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", four))
            .find("records") != std::string::npos);
  CHECK(error_of(npy("{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }", four)).find("'<U3'") !=
        std::string::npos);
  CHECK(
      error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }", four))
          .find("too large") != std::string::npos);
  CHECK(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", four))
            .find("damaged") != std::string::npos);
  for (const char* dict :
       {"", "{", "{'descr'}", "{'descr': '<f4', 'shape': (1,), }", "{'fortran_order': Maybe}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1", "[1, 2]"})
    CHECK_MESSAGE(error_of(npy(dict, four)).find("damaged") != std::string::npos, dict);
  std::string long_header = npy("{}", four);
  long_header[8] = long_header[9] = '\xff';
  CHECK(error_of(long_header).find("damaged") != std::string::npos);
  CHECK(error_of(npy("{}", four, 9)).find("version 9") != std::string::npos);
}

TEST_CASE("npy: what is written is read back, and headers are padded as NumPy pads them") {
  const TempFolder folder;
  std::vector<int64_t> dims;
  write_floats(folder / "a.npy", {2, 0, 3}, {});
  CHECK(test::read_floats(folder / "a.npy", &dims).empty());
  CHECK(dims == std::vector<int64_t>{2, 0, 3});
  for (const std::vector<int64_t>& d : {std::vector<int64_t>{}, {5}, {1, 2, 3, 4, 5, 6}})
    CHECK(npy_header(DType::int8, d)->size() % 64 == 0);
  CHECK(!npy_header(DType::int4, {1}).ok());
  auto writer = NpyWriter::create(folder / "b.npy", DType::int8, {3});
  REQUIRE((*writer)->append(std::as_bytes(std::span("ab", 2))).ok());
  CHECK(!(*writer)->commit().ok());  // one element is missing
}

TEST_CASE("npz: stored and deflated members, in any order of reading") {
  const TempFolder folder;
  std::vector<float> values(5000);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 17);
  const std::string member = *npy_header(DType::float32, {1000, 5}) + raw(values);
  zipFile zip = zipOpen((folder / "a.npz").c_str(), APPEND_STATUS_CREATE);
  for (int method : {0, 8}) {
    zipOpenNewFileInZip(zip, method == 0 ? "stored.npy" : "deflated.npy", nullptr, nullptr, 0, nullptr, 0,
                        nullptr, method, 6);
    zipWriteInFileInZip(zip, member.data(), static_cast<unsigned>(member.size()));
    zipCloseFileInZip(zip);
  }
  zipClose(zip, nullptr);
  CHECK(*list_npz(folder / "a.npz") == std::vector<std::string>{"stored", "deflated"});
  for (const char* name : {"stored", "deflated"}) {
    auto array = NpyArray::open(*open_npz(folder / "a.npz", name));
    REQUIRE(array.ok());
    std::vector<float> five(5);
    for (int64_t row : {999, 0, 500, 998, 999, 0}) {
      REQUIRE(array->read(row * 5, std::as_writable_bytes(std::span(five))).ok());
      CHECK(five[0] == static_cast<float>(row * 5 % 17));
    }
  }
  CHECK(open_npz(folder / "a.npz", "other").status().message().find("no such array") != std::string::npos);
  std::string bytes = test::read_bytes(folder / "a.npz");
  write_bytes(folder / "cut.npz", bytes.substr(0, bytes.size() / 2));
  CHECK(!list_npz(folder / "cut.npz").ok());
  // A flipped bit in the deflated data is seen at the latest by the checksum.
  bytes[bytes.size() - 250] = static_cast<char>(bytes[bytes.size() - 250] ^ 16);
  write_bytes(folder / "flip.npz", bytes);
  auto source = open_npz(folder / "flip.npz", "deflated");
  if (source.ok()) {
    std::vector<std::byte> all(static_cast<size_t>((*source)->size()));
    CHECK(!(*source)->read(0, all).ok());
  }
}

TEST_CASE("stacks: one axis more than the input, or another leading extent") {
  const auto stack = [](std::vector<int64_t> dims, const InputSpec& in) { return stacking_of(dims, in); };
  const InputSpec picture = input({1, 4, 4, 3});
  CHECK(stack({7, 1, 4, 4, 3}, picture)->samples == 7);
  CHECK(stack({7, 1, 4, 4, 3}, picture)->stack);
  CHECK(stack({7, 4, 4, 3}, picture)->samples == 7);
  CHECK_FALSE(stack({1, 4, 4, 3}, picture)->stack);
  CHECK(stack({1, 1, 4, 4, 3}, picture)->stack);
  CHECK_FALSE(stack({4, 4, 3}, picture)->stack);  // the batch axis left out
  CHECK(stack({5, 1, 1}, input({1, 1}))->samples == 5);
  CHECK(stack({5}, input(Shape{}))->samples == 5);
  CHECK(stack({6, 8, 3}, input({8, 3}))->samples == 6);
  CHECK(stack({0, 1, 4, 4, 3}, picture)->samples == 0);
  for (const std::vector<int64_t>& bad :
       {std::vector<int64_t>{1, 3, 4, 4}, {7, 48}, {1, 5, 4, 3}, {2, 2, 1, 4, 4, 3}, {}})
    CHECK(stack(bad, picture).status().message().find("expected shape 1x4x4x3") != std::string::npos);
  CHECK(!stack({64, 8}, input({4, 8})).ok());
  InputSpec dynamic = input({1, 1, 3});
  dynamic.signature = {-1, -1, 3};
  CHECK(stack({1, 20, 3}, dynamic)->shape == Shape{1, 20, 3});
  CHECK(stack({9, 1, 20, 3}, dynamic)->shape == Shape{1, 20, 3});
  CHECK(stack({9, 1, 20, 3}, dynamic)->samples == 9);
  CHECK(!stack({1, 20, 4}, dynamic).ok());
}

TEST_CASE("elements: conversions and what they refuse") {
  const auto to = [](const auto& from, DType type, auto& out, DType dtype, Quantization q = {}) {
    return convert_elements(std::as_bytes(std::span(from)), type,
                            {out.data(), dtype, Shape{static_cast<int32_t>(out.size())}, std::move(q)});
  };
  std::vector<float> f(3);
  CHECK(to(std::vector<double>{1.5, -2, 1e300}, DType::float64, f, DType::float32).ok());
  CHECK(f[0] == 1.5f);
  CHECK(std::isinf(f[2]));
  std::vector<int32_t> i(2);
  CHECK(to(std::vector<int64_t>{-5, INT32_MAX}, DType::int64, i, DType::int32).ok());
  CHECK(i == std::vector<int32_t>{-5, INT32_MAX});
  CHECK(to(std::vector<int64_t>{0, 1ll << 31}, DType::int64, i, DType::int32).message() ==
        "element 1 is 2147483648, which int32 does not hold");
  std::vector<uint8_t> u(1);
  CHECK(!to(std::vector<int8_t>{-1}, DType::int8, u, DType::uint8).ok());
  std::vector<int8_t> q(4);
  const std::vector<float> reals{0, 0.26f, 100, std::numeric_limits<float>::quiet_NaN()};
  CHECK(to(reals, DType::float32, q, DType::int8, Quantization::per_tensor({0.5f, 3})).ok());
  CHECK(q == std::vector<int8_t>{3, 4, 127, 3});
  CHECK(to(reals, DType::float32, q, DType::int8).message() ==
        "element 1 is 0.25999999046325684, which int8 does not hold");
  std::vector<int64_t> l(1);
  CHECK(!to(std::vector<double>{0x1p63}, DType::float64, l, DType::int64).ok());
  CHECK(to(std::vector<double>{-0x1p63}, DType::float64, l, DType::int64).ok());
  CHECK(l[0] == INT64_MIN);
}

TEST_CASE("a dataset: folders, raw data, several inputs, mismatches") {
  const TempFolder folder;
  write_floats(folder / "s10.npy", {1, 4}, {10, 0, 0, 0});
  write_floats(folder / "s9.npy", {1, 4}, {9, 0, 0, 0});
  write_bytes(folder / "notes.txt", "not data");
  const InputSpec in = input({1, 4});
  auto data = Dataset::open({folder.path()}, {in}, {});
  REQUIRE_MESSAGE(data.ok(), message_of(data));
  CHECK(data->size() == 2);
  std::vector<float> x(4);
  const TensorView out{x.data(), DType::float32, {1, 4}, {}};
  REQUIRE(data->read(0, 0, out).ok());
  CHECK(x[0] == 9);  // 9 before 10
  REQUIRE(data->read(0, 1, out).ok());
  CHECK(x[0] == 10);

  write_bytes(folder / "three.bin", raw(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  auto three = Dataset::open({folder / "three.bin"}, {in}, {});
  REQUIRE(three.ok());
  CHECK(three->size() == 3);
  REQUIRE(three->read(0, 2, out).ok());
  CHECK(x == std::vector<float>{9, 10, 11, 12});
  write_bytes(folder / "odd.bin", "12345");
  CHECK(message_of(Dataset::open({folder / "odd.bin"}, {in}, {})).find("16 bytes a sample; the file has 5") !=
        std::string::npos);

  InputSpec other = in;
  other.name = "y";
  write_floats(folder / "two.npy", {2, 1, 4}, std::vector<float>(8));
  CHECK(message_of(Dataset::open({folder / "s9.npy"}, {in, other}, {})).find("2 inputs (x, y)") !=
        std::string::npos);
  CHECK(message_of(Dataset::open({folder / "s9.npy", folder / "two.npy"}, {in, other}, {}))
            .find("different numbers of samples: 'x' 1") != std::string::npos);
  CHECK(message_of(Dataset::open({"z=" + (folder / "s9.npy")}, {in}, {})).find("no input named 'z'") !=
        std::string::npos);
  auto named = Dataset::open({"y=" + (folder / "s10.npy"), folder / "s9.npy"}, {in, other}, {});
  REQUIRE_MESSAGE(named.ok(), message_of(named));
  REQUIRE(named->read(0, 0, out).ok());
  CHECK(x[0] == 9);
  REQUIRE(named->read(1, 0, out).ok());
  CHECK(x[0] == 10);
  CHECK(message_of(Dataset::open({folder / "none.npy"}, {in}, {})).find("No such file") != std::string::npos);
}

TEST_CASE("a dataset refuses NaN where asked to, and names the sample") {
  const TempFolder folder;
  std::vector<float> values(12, 1.0f);
  values[9] = std::numeric_limits<float>::quiet_NaN();
  write_floats(folder / "a.npy", {3, 1, 4}, values);
  DataOptions options;
  options.refuse_nan = true;
  auto data = Dataset::open({folder / "a.npy"}, {input({1, 4})}, options);
  REQUIRE(data.ok());
  std::vector<float> x(4);
  const TensorView out{x.data(), DType::float32, {1, 4}, {}};
  CHECK(data->read(0, 1, out).ok());
  CHECK(data->read(0, 2, out).message().find("a.npy: sample 2: element 1 is NaN") != std::string::npos);
}

TEST_CASE("pictures: order of channels, normalization, resizing") {
  const TempFolder folder;
  write_bytes(folder / "p.png", test::png(2, 2, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}));
  std::vector<float> x(12);
  const TensorView nhwc{x.data(), DType::float32, {1, 2, 2, 3}, {}};
  ImageOptions options;
  REQUIRE(read_image(folder / "p.png", options, nhwc).ok());
  CHECK(x == std::vector<float>{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255});
  options.scale = 1.0 / 255;
  options.mean = {0.5};
  options.std = {0.5};
  REQUIRE(read_image(folder / "p.png", options, {x.data(), DType::float32, {1, 3, 2, 2}, {}}).ok());
  CHECK(x == std::vector<float>{1, -1, -1, 1, -1, 1, -1, 1, -1, -1, 1, 1});
  std::vector<int8_t> q(12);
  REQUIRE(read_image(folder / "p.png", {},
                     {q.data(), DType::int8, {1, 2, 2, 3}, Quantization::per_tensor({0.1f, 0})})
              .ok());
  CHECK(q[0] == 127);
  CHECK(q[1] == -128);
  options = {};
  options.fit = ImageOptions::Fit::none;
  CHECK(!read_image(folder / "p.png", options, {x.data(), DType::float32, {1, 2, 1, 3}, {}}).ok());
  write_bytes(folder / "bad.png", "BM no picture");
  CHECK(read_image(folder / "bad.png", {}, nhwc).message().find("BMP") != std::string::npos);
  write_bytes(folder / "bad.png", "no picture");
  CHECK(read_image(folder / "bad.png", {}, nhwc).message().find("not a PNG") != std::string::npos);
  CHECK(read_image(folder / "p.png", {}, {x.data(), DType::float32, Shape{12}, {}})
            .message()
            .find("does not go") != std::string::npos);
}

TEST_CASE("pictures: what is damaged or too large is an error, before memory is taken for it") {
  std::vector<uint8_t> grey(64 * 48 * 3, 120);
  for (const bool is_png : {true, false}) {
    CAPTURE(is_png);
    const std::string file = is_png ? test::png(64, 48, grey) : test::jpeg(64, 48, grey);
    const auto bytes = std::as_bytes(std::span(file));
    const auto whole = decode_picture(bytes, true);
    REQUIRE_MESSAGE(whole.ok(), whole.status().message());
    CHECK(whole->width == 64);
    CHECK(whole->height == 48);
    CHECK(whole->rgb.size() == 64 * 48 * 4);
    CHECK(std::abs(whole->rgb[0] - 120) < 2);
    CHECK(whole->rgb[3] == 255);
    // Cut off anywhere before the marks at its end, and with any byte changed: a picture or an error, never
    // more than that.
    for (size_t n = 0; n < file.size(); ++n)
      CHECK((n + 20 >= file.size() || !decode_picture(bytes.first(n), false).ok()));
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
      std::string other = file;
      for (int k = 0; k < 3; ++k)
        other[random() % other.size()] = static_cast<char>(random());
      (void)decode_picture(std::as_bytes(std::span(other)), false);
    }
  }
  // The sizes in the headers: 16384 x 16384 in a few bytes.
  std::string huge = test::png(1, 1, {1, 2, 3});
  huge.replace(16, 8, std::string("\0\0\x40\0\0\0\x40\0", 8));
  huge.replace(29, 4, std::string("\x26\xaa\x87\xd3", 4));
  const auto refused = decode_picture(std::as_bytes(std::span(huge)), false);
  CHECK_MESSAGE(refused.status().message().find("too large") != std::string::npos,
                refused.status().message());
}

TEST_CASE("pictures: a large JPEG is decoded to what is enough") {
  std::vector<uint8_t> pixels(640 * 480 * 3);
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<uint8_t>(i / (640 * 3) / 2);  // darker above
  const std::string file = test::jpeg(640, 480, pixels);
  const auto bytes = std::as_bytes(std::span(file));
  CHECK(decode_picture(bytes, false)->width == 640);
  CHECK(decode_picture(bytes, false, 400, 300)->width == 640);
  CHECK(decode_picture(bytes, false, 160, 120)->width == 320);
  CHECK(decode_picture(bytes, false, 80, 100)->width == 320);
  CHECK(decode_picture(bytes, false, 20, 20)->width == 80);
  // And the picture that comes of it is the same but for rounding.
  const TempFolder folder;
  write_bytes(folder / "p.jpg", file);
  std::vector<float> x(32 * 24 * 3);
  REQUIRE(read_image(folder / "p.jpg", {}, {x.data(), DType::float32, {24, 32, 3}, {}}).ok());
  for (size_t row = 1; row < 23; ++row)
    CHECK(std::abs(x[row * 32 * 3] - (static_cast<float>(row) * 10 + 4.75F)) < 1.5F);
}

TEST_CASE("resize: a triangle filter that widens when the picture shrinks") {
  // Values worked out by hand. 4 -> 2: the triangle has half width 2 and its weights at the four pixels
  // around the centre 1.0 (and 3.0) are 1.25/2, 0.75/2 and so on, normalized: 3/7 3/7 1/7 0 for the first.
  const Image row{4, 1, 1, {0, 70, 140, 210}};
  const Image half = resize(row, 2, 1, {0, 0, 4, 1});
  CHECK(half.pixels == std::vector<uint8_t>{50, 160});
  // 2 -> 4: plain linear interpolation at -0.25, 0.25, 0.75, 1.25, with edges held.
  const Image two{2, 1, 1, {0, 200}};
  CHECK(resize(two, 4, 1, {0, 0, 2, 1}).pixels == std::vector<uint8_t>{0, 50, 150, 200});
  // The same along the other axis, and an untouched picture is untouched.
  const Image column{1, 4, 1, {0, 70, 140, 210}};
  CHECK(resize(column, 1, 2, {0, 0, 1, 4}).pixels == half.pixels);
  CHECK(resize(row, 4, 1, {0, 0, 4, 1}).pixels == row.pixels);
  // A box cuts before it scales.
  CHECK(resize(row, 2, 1, {1, 0, 3, 1}).pixels == std::vector<uint8_t>{70, 140});
}

TEST_CASE("labels: text, CSV by order and by file name, npy") {
  const TempFolder folder;
  write_bytes(folder / "l.txt", "3\n1\n2\n\n");
  CHECK(*read_labels(folder / "l.txt", {}, {}) == std::vector<int64_t>{3, 1, 2});
  CHECK(*read_labels(folder / "l.txt", {"", 1}, {}) == std::vector<int64_t>{4, 2, 3});
  write_bytes(folder / "l.csv", "file,label,\"class, name\"\nb.png,7,\"x, y\"\r\na.png,8,z\n");
  CHECK(*read_labels(folder / "l.csv", {}, {}) == std::vector<int64_t>{7, 8});
  CHECK(*read_labels(folder / "l.csv", {}, {"dir/a.png", "dir/b.png"}) == std::vector<int64_t>{8, 7});
  CHECK(read_labels(folder / "l.csv", {}, {"c.png"}).status().message().find("no label for c.png") !=
        std::string::npos);
  CHECK(read_labels(folder / "l.csv", {"rank", 0}, {}).status().message().find("no column 'rank'") !=
        std::string::npos);
  CHECK(read_labels(folder / "l.csv", {"class, name", 0}, {}).status().message().find("line 2") !=
        std::string::npos);
  write_bytes(folder / "bad.txt", "1\ncat\n");
  CHECK(read_labels(folder / "bad.txt", {}, {}).status().message().find("line 2: 'cat'") !=
        std::string::npos);
  write_floats(folder / "l.npy", {3, 1}, {5, 6, 7});
  CHECK(*read_labels(folder / "l.npy", {}, {}) == std::vector<int64_t>{5, 6, 7});
  write_floats(folder / "onehot.npy", {2, 3}, std::vector<float>(6));
  CHECK(!read_labels(folder / "onehot.npy", {}, {}).ok());
}

TEST_CASE("names sort as people count") {
  CHECK(natural_less("img9.png", "img10.png"));
  CHECK(natural_less("img09", "img10"));
  CHECK_FALSE(natural_less("img10", "img9"));
  CHECK(natural_less("a", "a1"));
  CHECK(natural_less("a2b1", "a2b02"));
  CHECK(natural_less("a1", "a01") != natural_less("a01", "a1"));
  CHECK_FALSE(natural_less("same", "same"));
}

}  // namespace
}  // namespace octet
