#include "cli/data/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

#include "octet/try.hpp"

namespace octet {
namespace {

static_assert(std::endian::native == std::endian::little, "raw data is written as it lies in memory");

std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr int64_t kMaxHeader = 1 << 20;

struct TypeCode {
  std::string_view code;
  DType dtype;
};
constexpr TypeCode kTypes[] = {{"f4", DType::float32},   {"f2", DType::float16},    {"f8", DType::float64},
                               {"i1", DType::int8},      {"u1", DType::uint8},      {"i2", DType::int16},
                               {"u2", DType::uint16},    {"i4", DType::int32},      {"u4", DType::uint32},
                               {"i8", DType::int64},     {"u8", DType::uint64},     {"b1", DType::boolean},
                               {"c8", DType::complex64}, {"c16", DType::complex128}};

// The part of Python's literals that a header consists of.
class Literal {
 public:
  explicit Literal(std::string_view text) : text_(text) {}

  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool next_is(char c) {
    skip();
    return at_ < text_.size() && text_[at_] == c;
  }
  std::optional<std::string_view> string() {
    skip();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return std::nullopt;
    const size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view s = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return s;
  }
  bool word(std::string_view w) {
    skip();
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }
  std::optional<int64_t> integer() {
    skip();
    int64_t v = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto ten = checked_mul(v, 10);
      const auto next = ten ? checked_add(*ten, text_[at_] - '0') : std::nullopt;
      if (!next) return std::nullopt;
      v = *next;
    }
    if (at_ == begin) return std::nullopt;
    take('L');  // Python 2 wrote long integers so
    return v;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t'))
      ++at_;
  }
  std::string_view text_;
  size_t at_ = 0;
};

Status parse_descr(std::string_view descr, NpyHeader& h) {
  if (descr.empty()) return Status::invalid("its header names no type");
  const char order = descr.front();
  const bool has_order = order == '<' || order == '>' || order == '|' || order == '=';
  const std::string_view code = has_order ? descr.substr(1) : descr;
  h.big_endian = order == '>';
  for (const TypeCode& t : kTypes)
    if (t.code == code) {
      h.dtype = t.dtype;
      return {};
    }
  if (!code.empty() && code.front() == 'O')
    return Status::unsupported("it holds Python objects, not numbers");
  return Status::unsupported(fmt::format("element type '{}' is not supported", descr));
}

Status parse_dict(std::string_view text, NpyHeader& h) {
  const Status bad = Status::invalid("its header is damaged");
  Literal in(text);
  bool has_descr = false, has_order = false, has_shape = false;
  if (!in.take('{')) return bad;
  while (!in.take('}')) {
    const auto key = in.string();
    if (!key || !in.take(':')) return bad;
    if (*key == "descr") {
      if (in.next_is('[')) return Status::unsupported("it holds records with fields, not numbers");
      const auto descr = in.string();
      if (!descr) return bad;
      OCTET_TRY(parse_descr(*descr, h));
      has_descr = true;
    } else if (*key == "fortran_order") {
      h.fortran_order = in.word("True");
      if (!h.fortran_order && !in.word("False")) return bad;
      has_order = true;
    } else if (*key == "shape") {
      if (!in.take('(')) return bad;
      h.dims.clear();
      while (!in.take(')')) {
        const auto d = in.integer();
        if (!d || h.dims.size() >= 32) return bad;
        h.dims.push_back(*d);
        if (!in.take(',') && !in.next_is(')')) return bad;
      }
      has_shape = true;
    } else {
      return bad;
    }
    if (!in.take(',') && !in.next_is('}')) return bad;
  }
  return has_descr && has_order && has_shape ? Status() : bad;
}

void swap_bytes(std::span<std::byte> data, DType dtype) {
  const bool complex = dtype == DType::complex64 || dtype == DType::complex128;
  const size_t width = static_cast<size_t>(bytes_of(dtype)) / (complex ? 2 : 1);
  for (size_t i = 0; width > 1 && i + width <= data.size(); i += width)
    std::reverse(data.begin() + static_cast<ptrdiff_t>(i), data.begin() + static_cast<ptrdiff_t>(i + width));
}

}  // namespace

std::string dims_text(std::span<const int64_t> dims) {
  return dims.empty() ? "scalar" : fmt::format("{}", fmt::join(dims, "x"));
}

int64_t NpyHeader::elements() const {
  int64_t n = 1;
  for (int64_t d : dims)
    n *= d;
  return n;
}

Result<NpyHeader> read_npy_header(ByteSource& source) {
  std::array<std::byte, 12> start{};
  if (source.size() < 12) return Status::invalid("not an .npy file: too short");
  OCTET_TRY(source.read(0, start));
  const auto byte = [&](size_t i) { return static_cast<int64_t>(start[i]); };
  if (std::memcmp(start.data(), kMagic.data(), kMagic.size()) != 0)
    return Status::invalid("not an .npy file: the magic bytes are missing");
  const int64_t version = byte(6);
  if (version < 1 || version > 3)
    return Status::unsupported(fmt::format(".npy version {} is unknown", version));
  const int64_t prefix = version == 1 ? 10 : 12;
  const int64_t length =
      version == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  if (length > kMaxHeader || prefix + length > source.size()) return Status::invalid("its header is damaged");
  std::string text(static_cast<size_t>(length), '\0');
  OCTET_TRY(source.read(prefix, std::as_writable_bytes(std::span(text))));
  NpyHeader h;
  OCTET_TRY(parse_dict(text, h));
  h.data_offset = prefix + length;
  std::optional<int64_t> bytes = bytes_of(h.dtype);
  for (int64_t d : h.dims)
    if (d == 0) bytes = 0;  // so that no order of extents overflows for an empty array
  for (int64_t d : h.dims)
    if (bytes) bytes = checked_mul(*bytes, d);
  if (!bytes) return Status::exhausted(fmt::format("shape {} is too large", dims_text(h.dims)));
  if (*bytes > source.size() - h.data_offset)
    return Status::invalid(fmt::format("truncated: shape {} of {} needs {} bytes, there are {}",
                                       dims_text(h.dims), name_of(h.dtype), *bytes,
                                       source.size() - h.data_offset));
  return h;
}

Result<NpyArray> NpyArray::open(std::unique_ptr<ByteSource> source) {
  NpyArray a;
  OCTET_ASSIGN(a.header_, read_npy_header(*source));
  a.source_ = std::move(source);
  if (a.header_.dims.size() < 2) a.header_.fortran_order = false;
  return a;
}

Status NpyArray::read(int64_t first, std::span<std::byte> out) {
  const size_t width = static_cast<size_t>(bytes_of(header_.dtype));
  if (!header_.fortran_order) {
    OCTET_TRY(source_->read(header_.data_offset + first * static_cast<int64_t>(width), out));
    if (header_.big_endian) swap_bytes(out, header_.dtype);
    return {};
  }
  if (transposed_.empty() && header_.elements() > 0) {
    const size_t n = static_cast<size_t>(header_.elements()), rank = header_.dims.size();
    constexpr size_t kMaxRank = 32;  // NumPy's own
    if (rank > kMaxRank) return Status::unsupported(fmt::format("an array of {} axes", rank));
    std::vector<std::byte> stored(n * width);
    OCTET_TRY(source_->read(header_.data_offset, stored));
    if (header_.big_endian) swap_bytes(stored, header_.dtype);
    transposed_.resize(stored.size());
    std::array<size_t, kMaxRank> stride{1}, index{};
    for (size_t a = 1; a < rank; ++a)
      stride[a] = stride[a - 1] * static_cast<size_t>(header_.dims[a - 1]);
    for (size_t i = 0; i < n; ++i) {
      size_t from = 0;
      for (size_t a = 0; a < rank; ++a)
        from += index[a] * stride[a];
      std::memcpy(&transposed_[i * width], &stored[from * width], width);
      for (size_t a = rank; a-- > 0 && ++index[a] == static_cast<size_t>(header_.dims[a]);)
        index[a] = 0;
    }
  }
  const size_t begin = static_cast<size_t>(first) * width;
  if (begin > transposed_.size() || out.size() > transposed_.size() - begin)
    return Status::internal("read past the end of an array");
  if (!out.empty()) std::memcpy(out.data(), &transposed_[begin], out.size());
  return {};
}

Result<std::string> npy_header(DType dtype, const std::vector<int64_t>& dims) {
  std::string_view code;
  for (const TypeCode& t : kTypes)
    if (t.dtype == dtype) code = t.code;
  if (code.empty()) return Status::unsupported(fmt::format("NumPy has no type {}", name_of(dtype)));
  std::string dict =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                  bytes_of(dtype) == 1 ? '|' : '<', code, fmt::join(dims, ", "), dims.size() == 1 ? "," : "");
  const size_t prefix = kMagic.size() + 4;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict.push_back('\n');
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

Result<std::unique_ptr<NpyWriter>> NpyWriter::create(const std::string& path, DType dtype,
                                                     const std::vector<int64_t>& dims) {
  OCTET_ASSIGN(const std::string header, npy_header(dtype, dims).at(path));
  std::optional<int64_t> bytes = bytes_of(dtype);
  for (int64_t d : dims)
    if (bytes) bytes = checked_mul(*bytes, d);
  if (!bytes) return Status::exhausted(fmt::format("{}: shape {} is too large", path, dims_text(dims)));
  auto writer = std::make_unique<NpyWriter>();
  OCTET_ASSIGN(writer->file_, OutputFile::create(path));
  OCTET_TRY(writer->file_->write(header));
  writer->missing_ = *bytes;
  return writer;
}

Status NpyWriter::append(std::span<const std::byte> bytes) {
  missing_ -= static_cast<int64_t>(bytes.size());
  return file_->write(bytes);
}

Status NpyWriter::commit() {
  if (missing_ != 0) return Status::internal("an .npy file got another number of elements than its shape");
  return file_->commit();
}

Status write_npy(const std::string& path, const ConstTensorView& view) {
  const std::vector<int64_t> dims(view.shape.dims().begin(), view.shape.dims().end());
  OCTET_ASSIGN(auto writer, NpyWriter::create(path, view.dtype, dims));
  OCTET_TRY(writer->append({static_cast<const std::byte*>(view.data), static_cast<size_t>(view.bytes())}));
  return writer->commit();
}

}  // namespace octet
