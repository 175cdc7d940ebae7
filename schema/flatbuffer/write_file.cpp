// Bytes to a file: all of it or nothing.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/flatbuffer/format.hpp"

namespace octet {
namespace {

Status write_failed(std::string_view what) {
  return Status::io(fmt::format("{}: {}", what, std::strerror(errno)));
}

// Write everything, make it durable, close.
Status fill(int fd, std::span<const std::byte> bytes, bool durable) {
  Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (n >= 0)
      bytes = bytes.subspan(static_cast<size_t>(n));
    else if (errno != EINTR)
      status = write_failed("cannot be written");
  }
  if (status.ok() && durable && ::fsync(fd) != 0) status = write_failed("cannot be written");
  if (::close(fd) != 0 && status.ok()) status = write_failed("cannot be written");
  return status;
}

Status write_through_temporary(const std::string& path, std::span<const std::byte> bytes, mode_t mode) {
  static std::atomic<unsigned> counter{0};
  std::string temporary;
  int fd = -1;
  for (int attempt = 0; attempt < 100 && fd < 0; ++attempt) {
    temporary = fmt::format("{}.{}-{}.tmp", path, ::getpid(), counter++);
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) break;
  }
  if (fd < 0) return write_failed("cannot be created");
  Status status;
  if (mode != 0 && ::fchmod(fd, mode) != 0)
    status = write_failed("cannot be given the permissions of the old file");
  Status filled = fill(fd, bytes, true);
  if (status.ok()) status = std::move(filled);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = write_failed("cannot be replaced");
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

// The file that `path` means when it is a symbolic link: the link stays, its target is replaced.
std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string out = real;
  std::free(real);
  return out;
}

Status write_bytes(const std::string& path, std::span<const std::byte> bytes) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return write_through_temporary(path, bytes, 0);
  if (S_ISDIR(info.st_mode)) return Status::io("is a directory");
  if (S_ISREG(info.st_mode)) {
    // A rename could replace a read-only file, but that is not what its owner meant.
    if (::access(path.c_str(), W_OK) != 0) return write_failed("cannot be written");
    return write_through_temporary(resolved(path), bytes, info.st_mode & 07777);
  }
  // A device or a pipe can't be replaced, only written to.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return write_failed("cannot be opened");
  return fill(fd, bytes, false);
}

}  // namespace

Status write_model(const ModelData& model, const std::string& path) {
  auto bytes = serialize(model);
  if (!bytes.ok()) return std::move(bytes).at(path).status();
  return write_bytes(path, *bytes).at(path);
}

Status ModelData::save(const std::string& path) const {
  return write_model(*this, path);
}

}  // namespace octet
