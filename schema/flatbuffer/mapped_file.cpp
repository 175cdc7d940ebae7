#include "schema/flatbuffer/mapped_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace octet {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Status failed(const char* what) {
  return Status::io(std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return failed("cannot be opened");
  struct stat info{};
  if (::fstat(file.fd, &info) != 0) return failed("cannot be examined");
  if (S_ISDIR(info.st_mode)) return Status::io("is a directory");
  if (!S_ISREG(info.st_mode)) return Status::io("is not a regular file");
  if (info.st_size == 0) return Status::corrupt("is empty");

  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  if (static_cast<uintmax_t>(info.st_size) > std::numeric_limits<size_t>::max() - 2 * page)
    return Status::exhausted("is too large to be mapped");
  const auto size = static_cast<size_t>(info.st_size);
  const size_t reserved = (size + page - 1) / page * page + page;
  void* base = ::mmap(nullptr, reserved, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return failed("cannot be mapped");
  std::shared_ptr<const MappedFile> mapped(new MappedFile(base, size, reserved));
  if (::mmap(base, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.fd, 0) == MAP_FAILED)
    return failed("cannot be mapped");
  return mapped;
}

MappedFile::~MappedFile() {
  ::munmap(base_, reserved_);
}

}  // namespace octet
