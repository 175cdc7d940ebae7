// A file's bytes, mapped read-only.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "octet/status.hpp"

namespace octet {

// The bytes stay mapped as long as the owner lives. The mapping starts at a page boundary and is followed by
// at least one page of readable zeros, because vector kernels may read a little past the end of a constant.
// The file must not be shortened meanwhile (replacing it by rename, as write_model() does, is fine).
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(base_), size_}; }

 private:
  MappedFile(void* base, size_t size, size_t reserved) : base_(base), size_(size), reserved_(reserved) {}
  void* base_;
  size_t size_, reserved_;
};

}  // namespace octet
