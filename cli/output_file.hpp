// Files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "octet/status.hpp"

namespace octet {

// Bytes go to a temporary file in the target's folder, which commit() renames over the target; without a
// commit() nothing is left behind. A target that exists and is no regular file (/dev/stdout, a pipe) is
// written directly. Errors name the target.
class OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  Status commit();

 private:
  OutputFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}
  Status fail(std::string_view what) const;
  std::string path_, temporary_;  // temporary_ is empty when the target is written directly
  int fd_;
};

Status save_file(const std::string& path, std::span<const std::byte> bytes);
Status save_file(const std::string& path, std::string_view text);

// `name` with everything but letters, digits, '.', '_' and '-' replaced, at most 100 characters.
std::string safe_name(const std::string& name);

// Make the folder and its parents.
Status make_folder(const std::string& path);

}  // namespace octet
