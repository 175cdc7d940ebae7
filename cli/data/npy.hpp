// NumPy's .npy format, versions 1 to 3: magic, a Python dictionary in text, raw elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/data/byte_source.hpp"
#include "cli/output_file.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

struct NpyHeader {
  DType dtype = DType::float32;
  std::vector<int64_t> dims;
  bool fortran_order = false;
  bool big_endian = false;
  int64_t data_offset = 0;

  int64_t elements() const;  // checked when the header was parsed
};

// Hostile-safe: every length is checked against the source's size.
Result<NpyHeader> read_npy_header(ByteSource& source);

// "4x3" for messages.
std::string dims_text(std::span<const int64_t> dims);

// An array in a byte source. Elements come in C order and native byte order, whatever is stored; an array in
// Fortran order is transposed in memory when it is first read.
class NpyArray {
 public:
  static Result<NpyArray> open(std::unique_ptr<ByteSource> source);
  const NpyHeader& header() const { return header_; }
  // `out` takes the elements from number `first` on.
  Status read(int64_t first, std::span<std::byte> out);

 private:
  std::unique_ptr<ByteSource> source_;
  NpyHeader header_;
  std::vector<std::byte> transposed_;
};

// Writes an array whose elements come bit by bit. Types NumPy lacks are widened by the caller.
class NpyWriter {
 public:
  static Result<std::unique_ptr<NpyWriter>> create(const std::string& path, DType dtype,
                                                   const std::vector<int64_t>& dims);
  Status append(std::span<const std::byte> bytes);
  Status commit();  // an error when the bytes given are not as many as the shape says

 private:
  std::unique_ptr<OutputFile> file_;
  int64_t missing_ = 0;
};

// The header of a version 1 file, padded to a multiple of 64 bytes.
Result<std::string> npy_header(DType dtype, const std::vector<int64_t>& dims);

Status write_npy(const std::string& path, const ConstTensorView& view);

}  // namespace octet
