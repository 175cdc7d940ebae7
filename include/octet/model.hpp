// A model file in memory: loading, looking inside, saving in either format.
//
//   auto model = octet::Model::load("net.tflite");
//   if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
//   for (const octet::TensorInfo& t : model->inputs())
//     std::cout << t.name << ": " << octet::name_of(t.dtype) << ' ' << t.shape.to_string() << '\n';
//
// A Model is a handle on immutable data: copying it is cheap, and all of its functions may be called by
// several threads at once. Errors travel as Status and Result; nothing logs, nothing exits, nothing throws
// except std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octet/export.hpp"
#include "octet/format.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

struct ModelData;  // internal

// What a tensor is in its graph. A variable that is an input, too, is a variable.
enum class TensorRole : uint8_t { input, computed, constant, variable };

struct TensorInfo {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;           // -1 where an extent is not known before a run; see stored_shape
  bool has_rank = true;  // false: not even the number of axes is known
  Shape stored_shape;    // what the file has in the place of unknown extents, and a plan takes by default
  Quantization quant;
  TensorRole role = TensorRole::computed;
  int64_t constant_bytes = 0;  // 0: not a constant
};

struct OperatorInfo {
  std::string kind;  // "CONV_2D", "CUSTOM:Name"
  std::string name;  // that of its first output: what reports, recipes and errors call it
  // Indices into GraphInfo::tensors; -1 for an optional input that is not there.
  std::vector<int32_t> inputs, outputs, intermediates;
  int32_t version = 1;  // of the operator, as the file has it
  int64_t macs = 0;     // multiply-accumulates of one run with the stored shapes
};

struct GraphInfo {
  std::string name;
  std::vector<TensorInfo> tensors;
  std::vector<OperatorInfo> operators;   // in the order they run
  std::vector<int32_t> inputs, outputs;  // indices into `tensors`
};

// One entry of the file's metadata. Lives as long as the model.
struct Metadata {
  std::string_view name;
  std::span<const std::byte> bytes;
};

class Model {
 public:
  // Map a .tflite or .circle file and check it. Constants stay in the mapping: the file must not be changed
  // in place while the model lives (replacing it is fine). Errors start with the path.
  OCTET_API static Result<Model> load(const std::string& path);
  // The same from bytes, which are copied. `name` stands for the path in errors.
  OCTET_API static Result<Model> from_memory(std::span<const std::byte> bytes,
                                             const std::string& name = "model");
  // Without a copy: `owner` keeps the bytes alive as long as any part of the model is used, for example a
  // std::shared_ptr<std::vector<std::byte>>. 64 bytes behind the end of the file must be readable when the
  // last tensor is to be used in place; constants that are not aligned to their type are copied.
  OCTET_API static Result<Model> from_memory(std::span<const std::byte> bytes,
                                             std::shared_ptr<const void> owner,
                                             const std::string& name = "model");

  // Write to `path`, whole or not at all. The format is `format`, else that of the ending (.tflite, .circle),
  // else the model's own. The same model gives the same bytes.
  OCTET_API Status save(const std::string& path, std::optional<Format> format = {}) const;
  OCTET_API Result<std::vector<std::byte>> serialize(std::optional<Format> format = {}) const;

  OCTET_API Format format() const;
  OCTET_API const std::string& path() const;
  OCTET_API int64_t file_bytes() const;
  OCTET_API const std::string& description() const;
  // What the reader found odd in the file and put right, for people.
  OCTET_API std::span<const std::string> notes() const;
  OCTET_API std::vector<Metadata> metadata() const;
  OCTET_API std::span<const Signature> signatures() const;

  OCTET_API size_t graph_count() const;  // at least 1; graph 0 is the main one
  // Everything about a graph but the contents of its constants.
  OCTET_API GraphInfo graph(size_t index = 0) const;
  // Inputs and outputs of the main graph; of a signature in its order and under its names.
  OCTET_API std::vector<TensorInfo> inputs() const;
  OCTET_API std::vector<TensorInfo> outputs() const;
  OCTET_API Result<std::vector<TensorInfo>> inputs(const std::string& signature) const;
  OCTET_API Result<std::vector<TensorInfo>> outputs(const std::string& signature) const;
  // The contents of a constant or the first contents of a variable; `data` is null when there are none.
  OCTET_API ConstTensorView constant(size_t tensor, size_t graph = 0) const;

  OCTET_API int64_t parameters() const;      // weights and biases of all graphs, in elements
  OCTET_API int64_t constant_bytes() const;  // of all graphs
  OCTET_API int64_t macs() const;            // of the main graph, with the stored shapes

  // For the library itself.
  Model(std::shared_ptr<const ModelData> data)
      : data_(std::move(data)) {}  // NOLINT(google-explicit-constructor)
  const std::shared_ptr<const ModelData>& data() const { return data_; }

 private:
  std::shared_ptr<const ModelData> data_;
};

}  // namespace octet
