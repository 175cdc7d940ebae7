// The model in memory: SSA graphs of nodes and values. Plain value types; nothing here knows FlatBuffers.
//
// Ownership: a Constant shares ownership of the bytes it shows (a memory-mapped file or a buffer made by a
// rewrite), so graphs can be copied freely and constants are never copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "octet/format.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"
#include "schema/ir/attrs.hpp"
#include "schema/ir/op_kind.hpp"

namespace octet {

using ValueId = int32_t;                 // index into Graph::values
using NodeId = int32_t;                  // index into Graph::nodes
inline constexpr ValueId kNoValue = -1;  // an optional input that is absent

// Immutable bytes with shared ownership. `present()` is false for values that are computed at run time.
class Constant {
 public:
  Constant() = default;
  // Bytes inside something else's storage, which `owner` keeps alive (a mapped file).
  Constant(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes), present_(true) {}
  // Own a copy of `bytes`, aligned to 64 bytes, with 64 bytes of slack behind them.
  static Constant copy_of(std::span<const std::byte> bytes);
  template <class T>
  static Constant of(std::span<const T> values) {
    return copy_of(std::as_bytes(values));
  }
  template <class T>
  static Constant of(const std::vector<T>& values) {
    return of(std::span<const T>(values));
  }
  bool present() const { return present_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  const void* data() const { return bytes_.data(); }
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  bool present_ = false;
};

struct Value {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;                           // as stored; every extent >= 0
  std::vector<int32_t> shape_signature;  // -1 marks a dynamic extent; empty when the file has none
  bool has_rank = true;                  // false: the rank is unknown until run time
  bool is_variable = false;              // state kept between runs
  Quantization quant;
  Constant constant;

  bool is_constant() const { return constant.present(); }
  ConstTensorView view() const { return {constant.data(), dtype, shape, quant}; }
};

struct Node {
  OpKind kind = OpKind::UNKNOWN;
  Attrs attrs;
  std::vector<ValueId> inputs;  // kNoValue for an absent optional input
  std::vector<ValueId> outputs;
  std::vector<ValueId> intermediates;  // quantization records of LSTM (no data)
  int32_t version = 1;                 // operator version in the file
  std::vector<std::string> origins;    // names of the source operators this node came from

  // The name an operator goes by in reports, --keep-float and errors: that of its first output.
  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;  // topological order
  std::vector<ValueId> inputs, outputs;

  Value& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  ValueId add_value(Value v) {
    values.push_back(std::move(v));
    return static_cast<ValueId>(values.size() - 1);
  }
};

// The name of a node for people: its first output's name, or "<kind>#<index>" when that is empty.
std::string node_name(const Graph& g, NodeId id);

// The kind of a node for people: "CONV_2D", "CUSTOM:Name", and the format's name where Octet has none.
std::string kind_name(const Node& n);

// For each value: the node that produces it (-1: input, constant or unused) and the nodes that read it
// (a node that reads a value twice is listed twice).
struct Uses {
  std::vector<NodeId> producer;
  std::vector<std::vector<NodeId>> consumers;
};
Uses uses_of(const Graph& g);

// Keep the marked values and nodes only; ids change. What a kept node refers to must be kept.
void keep_only(Graph& g, const std::vector<char>& keep_value, const std::vector<char>& keep_node);

// Remove nodes none of whose outputs reach a graph output or have an effect, then values without references.
// Ids change: what the nodes that are left were.
std::vector<NodeId> remove_dead(Graph& g);

// A whole model. Immutable after load, shared as shared_ptr<const ModelData>.
struct ModelData {
  Format format = Format::tflite;
  std::string description;
  std::string path;  // where it was read from, for messages; empty for a model in memory
  int64_t file_bytes = 0;
  std::vector<Graph> graphs;  // graphs[0] is the main one
  std::vector<Signature> signatures;
  std::vector<std::pair<std::string, Constant>> metadata;
  std::vector<std::string> notes;  // what the reader found odd in the file and put right, for people

  const Graph& main() const { return graphs.front(); }
  Graph& main() { return graphs.front(); }

  // Read a .tflite or .circle file: schema/flatbuffer/format.hpp, read_model().
  static Result<std::shared_ptr<const ModelData>> load(const std::string& path);
  // Write in `format`'s wire format, through a temporary file: write_model().
  Status save(const std::string& path) const;
};

}  // namespace octet
