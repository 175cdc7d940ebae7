// Where bytes of data come from: a file, or a member of a zip archive. Read in pieces, never as a whole, so
// that memory does not grow with the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octet/status.hpp"

namespace octet {

// Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t size() const = 0;
  // Fill `out` from `offset`; an error when there are fewer bytes. Cheapest in ascending order.
  virtual Status read(int64_t offset, std::span<std::byte> out) = 0;
};

Result<std::unique_ptr<ByteSource>> open_file(const std::string& path);
// The whole file; refuses more than `limit` bytes.
Result<std::string> read_text(const std::string& path, int64_t limit);

// "img9" before "img10": runs of digits compare as numbers.
bool natural_less(const std::string& a, const std::string& b);

// What a name ends with, in lower case and with its dot (".npy"); "" without one.
std::string extension_of(const std::string& path);

// errno in words ("No such file or directory").
std::string errno_text();

}  // namespace octet
