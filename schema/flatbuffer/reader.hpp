// Conversion of a verified FlatBuffer into a ModelData. The verifier has made sure that every table, vector
// and string lies inside of the bytes; everything else (indices, enums, sizes, sharing) is checked here or,
// when it can be checked on the ModelData, in validate().
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>

#include "schema/flatbuffer/wire.hpp"

namespace octet {

class Reader {
 public:
  Reader(std::shared_ptr<const void> owner, std::span<const std::byte> bytes, const wire::Model& root,
         ModelData& model)
      : owner_(std::move(owner)),
        bytes_(bytes),
        root_(root),
        model_(model),
        budget_(4 * static_cast<int64_t>(bytes.size()) + 65536),
        dense_budget_(1024 * static_cast<int64_t>(bytes.size())) {}

  Status run();

 private:
  struct Code {
    OpKind kind = OpKind::UNKNOWN;
    int32_t code = -1;
    int32_t version = 1;
    std::string custom_name;
  };

  Status read_codes();
  Status read_graph(const wire::SubGraph& w, Graph& g);
  Status correct_result_types(const wire::SubGraph& w, Graph& g);
  Status read_tensor(const wire::Tensor& w, Value& v);
  Status read_storage_field(const wire::Tensor& w) const;
  Status read_shape(const wire::Tensor& w, Value& v);
  Status read_quantization(const wire::Tensor& w, Value& v);
  Status read_constant(const wire::Tensor& w, Value& v);
  // read_blocks.cpp
  Status read_blocks(const wire::SubGraph& w, Graph& g);
  Result<Quantization> blocks_of(const wire::BlockQuantization& w, const Graph& g, const Value& v);
  void fold_blocks();
  // read_sparse.cpp
  Status read_sparse(const wire::Tensor& w, Value& v);
  Result<std::vector<int32_t>> read_indices(wire::SparseIndexVector type, const void* vector);
  Result<std::vector<int32_t>> read_axes(const flatbuffers::Vector<int32_t>* axes);
  void fold_densify();
  Status read_operator(const wire::Operator& w, const Graph& g, Node& n);
  Status read_signature(const wire::SignatureDef& w, Signature& s);
  Status read_metadata(const wire::Metadata& w);

  // The content of entry `index` of the buffers.
  Result<std::span<const std::byte>> buffer(uint32_t index) const;
  // `size` bytes at `offset` from the beginning of the file.
  Result<std::span<const std::byte>> region(uint64_t offset, uint64_t size) const;
  Result<std::vector<ValueId>> read_ids(const flatbuffers::Vector<int32_t>* ids, const Graph& g,
                                        std::string_view what, ValueId least);
  Result<std::string> read_text(const flatbuffers::String* s);

  // Count `n` elements that are copied out of the file. Honest files hold each element once; a hostile one
  // can let a million tables share one large vector.
  Status spend(size_t n);

  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  const wire::Model& root_;
  ModelData& model_;
  int64_t budget_;
  int64_t dense_budget_;  // bytes that sparse tensors may still take when they are dense
  std::set<std::pair<ptrdiff_t, ValueId>> made_dense_;     // graph and tensor
  std::set<std::pair<ptrdiff_t, ValueId>> block_records_;  // tensors that only hold scales of blocks
  std::vector<Code> codes_;
  std::map<uint32_t, Constant> aligned_;  // copies of buffers that are misaligned for their element type
  std::map<uint32_t, Constant> last_;     // copies of buffers that end where the file does
};

}  // namespace octet
