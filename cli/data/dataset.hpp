// Samples for a graph's inputs, read one at a time from whatever files the user has.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/data/image.hpp"
#include "cli/data/npy.hpp"
#include "octet/model.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// What a graph input takes. Dynamic extents (-1 in `signature`) may be given by the data.
struct InputSpec {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<int32_t> signature;
  bool has_rank = true;
  Quantization quant;
};
std::vector<InputSpec> input_specs(std::span<const TensorInfo> inputs);

struct DataOptions {
  ImageOptions images;
  std::optional<DType> raw_type;  // of raw binaries; else the input's
  bool refuse_nan = false;        // NaN and infinities are errors (calibration)
};

// How an array is read as samples of an input (DESIGN.md, "Data"): rank one more than the input's, or a
// leading axis that is not the input's own, make it a stack along axis 0.
struct Stacking {
  bool stack = false;
  int64_t samples = 1;
  Shape shape;  // of one sample, as the input takes it
};
Result<Stacking> stacking_of(std::span<const int64_t> dims, const InputSpec& input);

// One file or archive member with samples for one input. `open` reads the header only.
struct DataPart {
  enum class Kind : uint8_t { npy, npz, raw, image };
  Kind kind = Kind::npy;
  std::string path, member;
  Stacking stacking;
  int64_t first = 0;  // number of its first sample

  std::string name() const { return member.empty() ? path : path + "[" + member + "]"; }
};

class Dataset {
 public:
  // `specs` are the values of --data or --input: a path per input in graph order, or name=path. One archive
  // (or folder of archives) may serve all inputs; its arrays go to inputs by name, else by order.
  static Result<Dataset> open(const std::vector<std::string>& specs, std::vector<InputSpec> inputs,
                              const DataOptions& options);

  int64_t size() const { return size_; }
  // Whether outputs are stacked: false when the data is one sample that fits as it is.
  bool is_stack() const { return stack_; }
  size_t inputs() const { return columns_.size(); }
  // The shapes the samples have: those of the inputs, with dynamic extents filled in.
  const std::vector<Shape>& shapes() const { return shapes_; }

  // Read sample `i` of one input into `out`, which has the input's type and shapes()[input].
  Status read(size_t input, int64_t i, const TensorView& out);

  // Where sample i comes from, for messages.
  std::string place(size_t input, int64_t i) const;
  // File names of the samples when each is a file of its own; else empty.
  std::vector<std::string> files() const;
  // Class indices from sub-folders' names in natural order; empty when the data is not sorted into classes.
  const std::vector<int64_t>& folder_labels() const { return labels_; }
  const std::vector<std::string>& folder_classes() const { return classes_; }

 private:
  struct Column {
    std::vector<DataPart> parts;
    int64_t samples = 0;
    size_t open_part = SIZE_MAX;  // the part that is open
    std::unique_ptr<ByteSource> raw;
    std::optional<NpyArray> array;
  };
  Status add_path(size_t input, const std::string& path);
  Status add_file(size_t input, const std::string& path);
  Status add_folder(size_t input, const std::string& path);
  Status add_archive(const std::string& path);
  Status add_array(size_t input, const std::string& path, const std::string& member);
  Status add_part(size_t input, DataPart part);
  Status finish(const std::vector<std::string>& specs);
  Status open_part(Column& column, size_t input, size_t part);
  const DataPart& part_of(size_t input, int64_t i, size_t* index = nullptr) const;

  std::vector<InputSpec> specs_;
  DataOptions options_;
  std::vector<Column> columns_;
  std::vector<Shape> shapes_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
  int64_t size_ = 0;
  bool stack_ = false;
  std::vector<std::byte> scratch_;
};

}  // namespace octet
