#include "cli/data/npz.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <minizip/unzip.h>

#include "octet/try.hpp"

namespace octet {
namespace {

struct CloseZip {
  void operator()(void* zip) const { unzClose(zip); }
};
using Zip = std::unique_ptr<void, CloseZip>;

Result<Zip> open_zip(const std::string& path) {
  OCTET_TRY(open_file(path).status());  // the system's own words for a missing file
  Zip zip(unzOpen64(path.c_str()));
  if (!zip) return Status::invalid(path + ": not an .npz file: no zip archive");
  return zip;
}

// A stored member: a range of the archive.
class Window final : public ByteSource {
 public:
  Window(std::unique_ptr<ByteSource> file, int64_t offset, int64_t size)
      : file_(std::move(file)), offset_(offset), size_(size) {}
  int64_t size() const override { return size_; }
  Status read(int64_t offset, std::span<std::byte> out) override {
    return file_->read(offset_ + offset, out);
  }

 private:
  std::unique_ptr<ByteSource> file_;
  int64_t offset_, size_;
};

class Deflated final : public ByteSource {
 public:
  Deflated(Zip zip, int64_t size) : zip_(std::move(zip)), size_(size) {}
  int64_t size() const override { return size_; }

  Status read(int64_t offset, std::span<std::byte> out) override {
    if (offset < at_) {
      unzCloseCurrentFile(zip_.get());
      if (unzOpenCurrentFile(zip_.get()) != UNZ_OK) return Status::invalid("the archive is damaged");
      at_ = 0;
    }
    std::array<std::byte, 1 << 14> skipped;
    while (at_ < offset)
      OCTET_TRY(inflate(std::span(skipped).first(
          static_cast<size_t>(std::min<int64_t>(offset - at_, static_cast<int64_t>(skipped.size()))))));
    return inflate(out);
  }

 private:
  Status inflate(std::span<std::byte> out) {
    while (!out.empty()) {
      const int n = unzReadCurrentFile(zip_.get(), out.data(),
                                       static_cast<unsigned>(std::min<size_t>(out.size(), 1 << 30)));
      if (n <= 0) return Status::invalid(n == 0 ? "the archive ends too early" : "the archive is damaged");
      at_ += n;
      out = out.subspan(static_cast<size_t>(n));
    }
    if (at_ == size_ && unzCloseCurrentFile(zip_.get()) == UNZ_CRCERROR) {
      at_ = size_ + 1;
      return Status::invalid("the archive is damaged: wrong checksum");
    }
    if (at_ == size_) at_ = size_ + 1;  // closed: the next read starts over
    return {};
  }

  Zip zip_;
  int64_t size_, at_ = 0;
};

}  // namespace

Result<std::vector<std::string>> list_npz(const std::string& path) {
  OCTET_ASSIGN(const Zip zip, open_zip(path));
  std::vector<std::string> names;
  for (int rc = unzGoToFirstFile(zip.get()); rc == UNZ_OK; rc = unzGoToNextFile(zip.get())) {
    std::array<char, 1024> name{};
    unz_file_info64 info{};
    if (unzGetCurrentFileInfo64(zip.get(), &info, name.data(), name.size() - 1, nullptr, 0, nullptr, 0) !=
        UNZ_OK)
      return Status::invalid(path + ": the archive is damaged");
    const std::string text = name.data();
    if (text.size() > 4 && text.ends_with(".npy")) names.push_back(text.substr(0, text.size() - 4));
  }
  if (names.empty()) return Status::invalid(path + ": holds no arrays");
  return names;
}

Result<std::unique_ptr<ByteSource>> open_npz(const std::string& path, const std::string& member) {
  const std::string place = path + "[" + member + "]";
  OCTET_ASSIGN(Zip zip, open_zip(path));
  unz_file_info64 info{};
  if (unzLocateFile(zip.get(), (member + ".npy").c_str(), 1) != UNZ_OK)
    return Status::invalid(place + ": no such array in the archive");
  if (unzGetCurrentFileInfo64(zip.get(), &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK ||
      unzOpenCurrentFile(zip.get()) != UNZ_OK)
    return Status::invalid(place + ": the archive is damaged");
  if (info.flag & 1) return Status::unsupported(place + ": encrypted archives are not supported");
  if (info.uncompressed_size > static_cast<uint64_t>(INT64_MAX) / 2)
    return Status::invalid(place + ": the archive is damaged");
  const int64_t size = static_cast<int64_t>(info.uncompressed_size);
  if (info.compression_method != 0)
    return std::unique_ptr<ByteSource>(std::make_unique<Deflated>(std::move(zip), size));
  const int64_t offset = static_cast<int64_t>(unzGetCurrentFileZStreamPos64(zip.get()));
  OCTET_ASSIGN(auto file, open_file(path));
  if (offset < 0 || offset > file->size() || size > file->size() - offset)
    return Status::invalid(place + ": the archive is damaged");
  return std::unique_ptr<ByteSource>(std::make_unique<Window>(std::move(file), offset, size));
}

}  // namespace octet
