#include "cli/output_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "octet/try.hpp"

namespace octet {
namespace fs = std::filesystem;

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
  struct stat st{};
  const bool exists = ::stat(path.c_str(), &st) == 0;
  if (exists && S_ISDIR(st.st_mode)) return Status::io(path + ": is a folder");
  if (exists && !S_ISREG(st.st_mode)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return Status::io(fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
    return std::unique_ptr<OutputFile>(new OutputFile(path, "", fd));
  }
  if (exists && ::access(path.c_str(), W_OK) != 0)
    return Status::io(fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
  std::string target = path;
  if (exists) {  // write through a symbolic link instead of replacing it
    std::error_code ec;
    if (const fs::path real = fs::canonical(path, ec); !ec) target = real.string();
  }
  std::string temporary = target + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return Status::io(fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd, exists ? st.st_mode & 07777 : 0666 & ~mask);
  return std::unique_ptr<OutputFile>(new OutputFile(target, temporary, fd));
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status OutputFile::fail(std::string_view what) const {
  return Status::io(fmt::format("{}: {}: {}", path_, what, std::strerror(errno)));
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("cannot write");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status OutputFile::commit() {
  if (!temporary_.empty() && ::fsync(fd_) != 0) return fail("cannot write");
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0 || (!temporary_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0)) {
    Status s = fail("cannot write");
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    return s;
  }
  return {};
}

Status save_file(const std::string& path, std::span<const std::byte> bytes) {
  OCTET_ASSIGN(auto file, OutputFile::create(path));
  OCTET_TRY(file->write(bytes));
  return file->commit();
}

Status save_file(const std::string& path, std::string_view text) {
  return save_file(path, std::as_bytes(std::span(text)));
}

std::string safe_name(const std::string& name) {
  std::string safe;
  for (char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    safe += plain ? c : '_';
  }
  return safe.substr(0, 100);
}

Status make_folder(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return Status::io(fmt::format("{}: cannot make the folder: {}", path, ec.message()));
  if (!fs::is_directory(path, ec)) return Status::io(path + ": is not a folder");
  return {};
}

}  // namespace octet
