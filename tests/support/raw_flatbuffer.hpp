// A FlatBuffer seen as bytes: fields by number, without any schema. Tests use it to pin what is on the wire
// independently of the generated code, and to damage one field of a file precisely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace octet::test {

class RawTable {
 public:
  RawTable(std::vector<std::byte>& bytes, size_t at) : bytes_(&bytes), at_(at) {}
  static RawTable root(std::vector<std::byte>& bytes) {
    return {bytes, RawTable(bytes, 0).read<uint32_t>(0)};
  }

  // Where field `id` is in the file, 0 when the table does not hold it.
  size_t field(int id) const {
    const size_t vtable = at_ - static_cast<size_t>(static_cast<int64_t>(read<int32_t>(at_)));
    const size_t slot = 4 + 2 * static_cast<size_t>(id);
    if (slot + 2 > read<uint16_t>(vtable)) return 0;
    const uint16_t offset = read<uint16_t>(vtable + slot);
    return offset == 0 ? 0 : at_ + offset;
  }
  bool has(int id) const { return field(id) != 0; }
  template <class T>
  T get(int id, T otherwise = {}) const {
    return has(id) ? read<T>(field(id)) : otherwise;
  }
  template <class T>
  void set(int id, T value) {
    REQUIRE(has(id));
    write(field(id), value);
  }

  // Fields that are tables, strings and vectors.
  RawTable table(int id) const { return {*bytes_, target(id)}; }
  std::string text(int id) const {
    return {reinterpret_cast<const char*>(bytes_->data()) + content(id), size(id)};
  }
  size_t size(int id) const { return has(id) ? read<uint32_t>(target(id)) : 0; }
  size_t content(int id) const { return target(id) + 4; }  // where the elements are in the file
  void set_size(int id, uint32_t n) { write(target(id), n); }
  template <class T>
  T item(int id, size_t i) const {
    return read<T>(content(id) + i * sizeof(T));
  }
  template <class T>
  void set_item(int id, size_t i, T value) {
    REQUIRE(i < size(id));
    write(content(id) + i * sizeof(T), value);
  }
  RawTable element(int id, size_t i) const {
    REQUIRE(i < size(id));
    const size_t slot = content(id) + 4 * i;
    return {*bytes_, slot + read<uint32_t>(slot)};
  }

 private:
  size_t target(int id) const {
    REQUIRE(has(id));
    return field(id) + read<uint32_t>(field(id));
  }
  template <class T>
  T read(size_t at) const {
    T v;
    REQUIRE(at + sizeof v <= bytes_->size());
    std::memcpy(&v, bytes_->data() + at, sizeof v);
    return v;
  }
  template <class T>
  void write(size_t at, T v) {
    REQUIRE(at + sizeof v <= bytes_->size());
    std::memcpy(bytes_->data() + at, &v, sizeof v);
  }

  std::vector<std::byte>* bytes_;
  size_t at_;
};

// Numbers of the fields that tests touch.
namespace slot {
inline constexpr int model_version = 0, model_codes = 1, model_graphs = 2, model_description = 3,
                     model_buffers = 4, model_metadata = 6, model_signatures = 7;
inline constexpr int graph_tensors = 0, graph_inputs = 1, graph_outputs = 2, graph_operators = 3,
                     graph_name = 4;
inline constexpr int tensor_shape = 0, tensor_type = 1, tensor_buffer = 2, tensor_name = 3,
                     tensor_quantization = 4, tensor_is_variable = 5, tensor_sparsity = 6,
                     tensor_signature = 7, tensor_has_rank = 8, tensor_storage = 10;
inline constexpr int quant_scale = 2, quant_zero_point = 3, quant_details_type = 4, quant_details = 5,
                     quant_axis = 6;
inline constexpr int code_old = 0, code_custom = 1, code_version = 2, code_new = 3;
inline constexpr int op_code = 0, op_inputs = 1, op_outputs = 2, op_options_type = 3, op_options = 4,
                     op_custom = 5, op_mutating = 7, op_intermediates = 8;
inline constexpr int buffer_data = 0, buffer_offset = 1, buffer_size = 2;
inline constexpr int metadata_name = 0, metadata_buffer = 1;
inline constexpr int signature_inputs = 0, signature_outputs = 1, signature_key = 2, signature_graph = 4;
inline constexpr int map_name = 0, map_tensor = 1;
}  // namespace slot

}  // namespace octet::test
