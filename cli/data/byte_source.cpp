#include "cli/data/byte_source.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "octet/try.hpp"

namespace octet {
namespace {

// pread rather than mmap: pages of a mapping count as the process's memory and grow with the data, and a
// file that shrinks meanwhile is an error here, not a signal.
class FileSource final : public ByteSource {
 public:
  FileSource(int fd, int64_t size) : fd_(fd), size_(size) {}
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  int64_t size() const override { return size_; }
  Status read(int64_t offset, std::span<std::byte> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          ::pread(fd_, out.data() + done, out.size() - done, offset + static_cast<int64_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Status::io(errno_text());
      if (n == 0) return Status::io("the file ends too early");
      done += static_cast<size_t>(n);
    }
    return {};
  }

 private:
  int fd_;
  int64_t size_;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string errno_text() {
  return std::strerror(errno);
}

Result<std::unique_ptr<ByteSource>> open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::io(fmt::format("{}: {}", path, errno_text()));
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    return Status::io(path + (S_ISDIR(st.st_mode) ? ": is a folder" : ": is not a regular file"));
  }
  return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(fd, st.st_size));
}

Result<std::string> read_text(const std::string& path, int64_t limit) {
  OCTET_ASSIGN(auto source, open_file(path));
  if (source->size() > limit)
    return Status::exhausted(fmt::format("{}: {} bytes are too many for a text file", path, source->size()));
  std::string text(static_cast<size_t>(source->size()), '\0');
  OCTET_TRY(source->read(0, std::as_writable_bytes(std::span(text))).at(path));
  return text;
}

bool natural_less(const std::string& a, const std::string& b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    while (i < a.size() && a[i] == '0')
      ++i;
    while (j < b.size() && b[j] == '0')
      ++j;
    size_t ia = i, jb = j;
    while (ia < a.size() && is_digit(a[ia]))
      ++ia;
    while (jb < b.size() && is_digit(b[jb]))
      ++jb;
    if (ia - i != jb - j) return ia - i < jb - j;
    const int order = a.compare(i, ia - i, b, j, jb - j);
    if (order != 0) return order < 0;
    i = ia, j = jb;
  }
  if ((i < a.size()) != (j < b.size())) return j < b.size();
  return a < b;  // equal but for leading zeros
}

std::string extension_of(const std::string& path) {
  const size_t dot = path.rfind('.'), slash = path.rfind('/');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return "";
  std::string ext = path.substr(dot);
  for (char& c : ext)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ext;
}

}  // namespace octet
