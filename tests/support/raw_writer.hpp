// Tables and vectors added behind a FlatBuffer, by field number and without any schema: for parts of the
// format that Octet reads and does not write. Reference is always forward, as FlatBuffers want it: make the
// table first, then link it to what it holds.
#pragma once

#include <cstring>
#include <vector>

#include "tests/support/raw_flatbuffer.hpp"

namespace octet::test {

class RawWriter {
 public:
  explicit RawWriter(std::vector<std::byte>& bytes) : bytes_(&bytes) {}

  // A table of zeros; field `id` takes sizes[id] bytes: 0 (absent), 1, or 4 (numbers and references).
  RawTable table(const std::vector<uint16_t>& sizes) {
    align();
    const size_t vtable = bytes_->size();
    uint16_t at = 4;  // behind the reference to the vtable; fields of 4 bytes first keep them aligned
    std::vector<uint16_t> offsets(sizes.size(), 0);
    for (const uint16_t wanted : {4, 1})
      for (size_t id = 0; id < sizes.size(); ++id)
        if (sizes[id] == wanted) {
          offsets[id] = at;
          at = static_cast<uint16_t>(at + wanted);
        }
    append(static_cast<uint16_t>(4 + 2 * sizes.size()));
    append(at);
    for (const uint16_t offset : offsets)
      append(offset);
    align();
    const size_t table = bytes_->size();
    append(static_cast<int32_t>(table - vtable));
    bytes_->resize(table + at);
    return {*bytes_, table};
  }

  // Fields and elements that refer to something new.
  template <class T>
  void put_vector(size_t slot, const std::vector<T>& values) {
    align();
    link(slot, bytes_->size());
    append(static_cast<uint32_t>(values.size()));
    for (const T v : values)
      append(v);
  }
  void put_text(size_t slot, const std::string& text) {
    put_vector(slot, std::vector<char>(text.begin(), text.end()));
    append('\0');
  }
  RawTable put_table(size_t slot, const std::vector<uint16_t>& sizes) {
    const RawTable t = table(sizes);
    link(slot, t.position());
    return t;
  }
  // A vector of `n` references; each is linked afterwards, at the slot that is returned plus 4 times its
  // index.
  size_t put_references(size_t slot, size_t n) {
    put_vector(slot, std::vector<uint32_t>(n));
    return bytes_->size() - 4 * n;
  }

 private:
  template <class T>
  void append(T v) {
    const auto* first = reinterpret_cast<const std::byte*>(&v);
    bytes_->insert(bytes_->end(), first, first + sizeof v);
  }
  void align() { bytes_->resize((bytes_->size() + 3) / 4 * 4); }
  void link(size_t slot, size_t target) {
    const auto offset = static_cast<uint32_t>(target - slot);
    std::memcpy(bytes_->data() + slot, &offset, sizeof offset);
  }

  std::vector<std::byte>* bytes_;
};

}  // namespace octet::test
