// Everything Octet knows about one operator, as data and a few functions. One file in a family folder defines
// `const OpSpec& spec_<KIND>()` for each row of ops.def; shape inference, planner, executor, quantizer,
// verifier, tests and the operator table in the docs all read it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/thread_pool.hpp"
#include "kernels/traits.hpp"
#include "octet/custom.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"
#include "schema/ir/attrs.hpp"
#include "schema/ir/graph.hpp"
#include "schema/ir/op_kind.hpp"

namespace octet {

class Cpu;         // kernels/cpu.hpp
class PackedNode;  // kernels/packed.hpp
namespace linear {
struct Convolution;
}

// ---------------------------------------------------------------------------------------------------------
// What a kernel or an inference function sees of a node.

struct NodeDesc {
  OpKind kind = OpKind::UNKNOWN;
  const Attrs* attrs = nullptr;
  std::span<const TensorDesc> in;
  std::span<const TensorDesc> out;                 // during inference the shapes are those the model declares
  std::span<const TensorDesc> intermediates = {};  // LSTM: quantization of what lies between its parts
  const CustomOps* custom_ops = nullptr;           // the program's own; what CUSTOM is dispatched to
  PackedNode* packed = nullptr;                    // what other kernels of this node have packed, if any

  template <class T>
  const T& attr() const {
    return std::get<T>(*attrs);
  }
  bool has_input(size_t i) const { return i < in.size() && !in[i].absent; }
  // Input i, or nullptr when it is optional and absent.
  const TensorDesc* optional_input(size_t i) const { return has_input(i) ? &in[i] : nullptr; }
};

// ---------------------------------------------------------------------------------------------------------
// Shape inference.

// Never reads an input's data unless is_known(). Must hold against hostile shapes and constants: checks every
// extent with checked arithmetic. The engine checks afterwards that sizes fit in memory.
using InferFn = Result<InferredShapes> (*)(const NodeDesc&);

// ---------------------------------------------------------------------------------------------------------
// Kernels.

// Observes a kernel's internal tensors (OpSpec::inner), which are not outputs. Each once a run,
// with the values of all time steps; never from two threads at once.
class InnerTap {
 public:
  virtual ~InnerTap() = default;
  virtual void on_inner(size_t which, std::span<const float> values) = 0;
};

struct RunArgs {
  std::span<const void* const> in;  // constants included; nullptr for an absent input
  std::span<void* const> out;
  void* workspace = nullptr;  // Kernel::workspace_bytes(), aligned to 64 bytes
  ThreadPool& pool;
  InnerTap* inner = nullptr;  // only given to operators that have inner tensors, and only heeded in float
};

// One node made ready for fixed shapes. Buffers may be over-read by 64 bytes, never over-written.
// Not thread-safe; belongs to one executor.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual size_t workspace_bytes() const { return 0; }
  // Can fail only on what the data itself makes wrong (an index out of range).
  virtual Status run(const RunArgs& args) = 0;
  // Forget what earlier runs left behind in the kernel itself; only custom operators have such state.
  virtual void reset_state() {}
};
using KernelResult = Result<std::unique_ptr<Kernel>>;

// A kernel from a callable `Status f(const RunArgs&)`; it may own state by capture.
template <class F>
std::unique_ptr<Kernel> make_kernel(F f, size_t workspace = 0) {
  class Lambda final : public Kernel {
   public:
    Lambda(F f, size_t workspace) : f_(std::move(f)), workspace_(workspace) {}
    size_t workspace_bytes() const override { return workspace_; }
    Status run(const RunArgs& args) override { return f_(args); }

   private:
    F f_;
    size_t workspace_;
  };
  return std::make_unique<Lambda>(std::move(f), workspace);
}

// One way to run an operator. `create` returns Code::declined with the reason when it does not cover the
// case (dtype, attribute, range): the next cheapest is then asked, and the reason is kept for `inspect`.
struct Implementation {
  std::string_view name;  // what it is, unique within the operator: "xnnpack", "byte-table", "reference"
  KernelResult (*create)(const NodeDesc&, ThreadPool&) = nullptr;
  // Picoseconds that one run takes on one thread of this CPU, estimated (kernels/cost.hpp), of any case of
  // the operator; `create` says whether the case is covered. nullptr: more than whatever has an estimate.
  double (*cost)(const NodeDesc&, const Cpu&) = nullptr;
};

// ---------------------------------------------------------------------------------------------------------
// Quantization, as data.

// How one input or output of an operator is quantized when its activations are int8. With int16 ones,
// activations are int16 with zero point 0 and biases int64; weights stay what they are (MATH.md, Q18).
struct TensorRule {
  enum class Kind : uint8_t {
    activation,      // int8 asymmetric, per tensor, range from calibration
    weights,         // int8 symmetric in [-127, 127]; per channel along `a`, or per tensor when a < 0
    bias,            // int32, scale = scale(input a) * scale(input b), zero point 0, per channel as b is
    same_as_input,   // the quantization of input `a`
    same_as_output,  // for inputs: the quantization of output `a` (concatenation and its like)
    fixed,           // scale and zero point given by the operator itself
    symmetric16,     // int16, zero point 0, the greatest magnitude at `levels`
    power_of_two16,  // int16, zero point 0, the least scale 2^n in [2^-15, 2^-9] that holds the range
    keep,            // not quantized: indices, axes, shapes, booleans; only a tensor of DType `a` if a >= 0
  };
  Kind kind = Kind::keep;
  int a = -1, b = -1;
  Affine value;    // for fixed, as int8; for a bias without `a` and `intermediate` the scale beside b's
  int inner = -1;  // the range is that of OpSpec::inner[inner] instead of the tensor's own
  int intermediate = -1;  // for a bias: the node's intermediate that stands in for input `a`
  int levels = 32767;
  float scale16 = 0;  // for fixed: the scale as int16, with zero point 0; 0: that of int8

  // The same with the range of an inner tensor.
  TensorRule seen_as(int which) const {
    TensorRule r = *this;
    r.inner = which;
    return r;
  }
};
// The type a tensor has under a rule, at an operator with int8 or int16 activations; float32 where it is
// kept.
DType dtype_under(const TensorRule& r, DType activations = DType::int8);
// What a rule `fixed` dictates.
Affine fixed_under(const TensorRule& r, DType activations = DType::int8);

inline TensorRule activation() {
  return {TensorRule::Kind::activation, -1, -1, {}};
}
inline TensorRule weights_per_channel(int axis) {
  return {TensorRule::Kind::weights, axis, -1, {}};
}
inline TensorRule weights_per_tensor() {
  return {TensorRule::Kind::weights, -1, -1, {}};
}
inline TensorRule bias_of(int input, int weights) {
  return {TensorRule::Kind::bias, input, weights, {}};
}
// Scale of intermediate `m` times that of the weights.
inline TensorRule bias_behind(int m, int weights) {
  TensorRule r{TensorRule::Kind::bias, -1, weights, {}};
  r.intermediate = m;
  return r;
}
// A given factor times the scale of the weights.
inline TensorRule bias_in_steps(float factor, int weights) {
  return {TensorRule::Kind::bias, -1, weights, Affine{factor, 0}};
}
inline TensorRule symmetric16() {
  return {TensorRule::Kind::symmetric16, -1, -1, {}};
}
inline TensorRule power_of_two16() {
  return {TensorRule::Kind::power_of_two16, -1, -1, {}};
}
inline TensorRule same_as_input(int i) {
  return {TensorRule::Kind::same_as_input, i, -1, {}};
}
inline TensorRule same_as_output(int i) {
  return {TensorRule::Kind::same_as_output, i, -1, {}};
}
inline TensorRule fixed(float scale, int64_t zero_point, float scale16 = 0) {
  TensorRule r{TensorRule::Kind::fixed, -1, -1, Affine{scale, zero_point}};
  r.scale16 = scale16;
  return r;
}
inline TensorRule keep() {
  return {};
}

// The int8 rule of an operator. The last rule of a list repeats for further tensors. Without an int8 form
// `why_not` says why, in words for the report ("has no int8 form in the TFLite specification").
struct QuantRule {
  bool has_int8 = false;
  std::vector<TensorRule> inputs, outputs;
  std::string_view why_not;
  std::vector<TensorRule> intermediates;  // an int8 node has exactly these
  // Outputs that share a scale with an input are computed from its elements, not elements: what saturates in
  // the input is missing in the output, even where the output itself could hold it.
  bool mixes = false;

  static QuantRule of(std::vector<TensorRule> in, std::vector<TensorRule> out,
                      std::vector<TensorRule> intermediates = {}) {
    return {true, std::move(in), std::move(out), {}, std::move(intermediates)};
  }
  static QuantRule mixing(std::vector<TensorRule> in, std::vector<TensorRule> out) {
    QuantRule r = of(std::move(in), std::move(out));
    r.mixes = true;
    return r;
  }
  static QuantRule none(std::string_view why) { return {false, {}, {}, why, {}}; }
  const TensorRule& input(size_t i) const { return inputs[std::min(i, inputs.size() - 1)]; }
  const TensorRule& output(size_t i) const { return outputs[std::min(i, outputs.size() - 1)]; }
};

// Another rule for nodes some of whose optional inputs are there, or are not.
struct QuantVariant {
  std::vector<size_t> present, absent;
  QuantRule rule;
};

// ---------------------------------------------------------------------------------------------------------
// Storage.

// How the planner may share storage between inputs and outputs.
enum class Sharing : uint8_t {
  none,
  in_place,  // an output may overwrite an input of the same byte size that dies here (element-wise operators)
  view,      // output 0 has exactly the bytes of input 0 (RESHAPE): no kernel runs when they share storage
  slices,    // `slice_of` tells where outputs lie inside an input (SPLIT) or inputs inside output 0
             // (CONCATENATION)
};

// For Sharing::slices: byte offset of part i inside the whole, when the part is one contiguous run of it.
// Parts are outputs of input `whole` when `parts_are_outputs`, else inputs of output 0. A layout without
// offsets says that nothing can be shared. The kernel skips a part that is in its place already.
struct SliceLayout {
  bool parts_are_outputs = false;
  int whole = 0;
  std::vector<std::optional<int64_t>> offset;  // one per part
};
using SliceFn = SliceLayout (*)(const NodeDesc&);

// ---------------------------------------------------------------------------------------------------------

// READ_VARIABLE and ASSIGN_VARIABLE: input 0 is a handle; the contents are output 0 or input 1.
enum class VariableAccess : uint8_t { none, read, write };

// Types of activations that a runtime computes an operator in, with the right result.
struct Forms {
  bool float32 = true, int8 = true, int16 = true;

  bool any() const { return float32 || int8 || int16; }
  // Of an operator whose activations have this type.
  bool has(DType activations) const {
    return activations == DType::int16 ? int16 : is_float(activations) ? float32 : int8;
  }
};
inline constexpr Forms kEveryForm{}, kFloatAndInt8{true, true, false}, kFloatForm{true, false, false},
    kNoForm{false, false, false};

// What others that read the file run. The sources are their kernels; tests/second_reader_test.cpp asks
// TensorFlow Lite itself.
struct OtherReaders {
  Forms tflite = kEveryForm;  // TensorFlow Lite 2.14 and later
  Forms micro = kEveryForm;   // TensorFlow Lite Micro
  // Whether they compute this very node right in integers; nullptr: they do.
  bool (*takes)(const NodeDesc&) = nullptr;

  // Whether some node has an integer form that one of them lacks.
  bool lack_integers() const {
    return !(tflite.int8 && tflite.int16 && micro.int8 && micro.int16) || takes != nullptr;
  }
};

struct OpSpec {
  OpKind kind = OpKind::UNKNOWN;
  Traits traits;
  std::optional<LinearForm> linear;
  std::optional<ClampForm> clamp;
  Arity inputs{1, 1}, outputs{1, 1};
  InferFn infer = nullptr;
  Implementation reference;          // normative; portable C++
  std::vector<Implementation> fast;  // in any order; candidates() puts the cheapest first
  QuantRule quant = QuantRule::none("has no int8 form");
  std::vector<QuantVariant> variants;          // the first that fits a node takes the place of `quant`
  std::vector<std::string_view> inner;         // names of what RunArgs::inner is shown
  int64_t (*macs)(const NodeDesc&) = nullptr;  // multiply-accumulates of one run; nullptr: none
  // Of operators that are sums of products with weights: which inputs meet which weight
  // (kernels/linear/convolution.hpp).
  Result<linear::Convolution> (*convolution)(const NodeDesc&) = nullptr;
  // The input that may be quantized in blocks; -1: none. Infer and kernels of others never see such a tensor.
  int blocks_at = -1;
  Sharing sharing = Sharing::none;
  SliceFn slice_of = nullptr;
  // Inputs where a variable is state that the kernel writes; elsewhere it is only read.
  std::vector<size_t> state;
  VariableAccess access = VariableAccess::none;
  // The outputs depend on the shapes of the inputs only (SHAPE, RANK): known at plan time with the shapes.
  bool shape_only = false;
  // Operator version that the format asks for with these types (schema versions of the TFLite converter).
  int version_float = 1, version_int8 = 1, version_int16 = 1;
  OtherReaders readers;
  // Kernels read the scales of all inputs and outputs, whatever `quant` says of them.
  bool rescales = false;
  // One line for the operator table in the docs: limits a user should know.
  std::string_view notes;
};

// A spec with what others run of it.
inline OpSpec read_by(OpSpec spec, Forms tflite, Forms micro) {
  spec.readers = {tflite, micro};
  return spec;
}

// The spec of a kind; nullptr only for UNKNOWN.
const OpSpec* find_spec(OpKind kind);

// Whether operators of this kind have a trait; not so for UNKNOWN.
bool has_trait(OpKind kind, Trait t);

// All implementations of a node's operator, the cheapest for this node on this CPU first.
std::vector<const Implementation*> candidates(const OpSpec& spec, const NodeDesc& n);

// The rule of a node of this kind.
const QuantRule& quant_rule(const OpSpec& spec, const Node& node);

// Every operator has the inputs and outputs that its kind cannot do without: rewrites and the quantizer read
// them without asking. Error: names the operator and the first one missing.
Status check_required(const Graph& g);

// Check arity, then infer; what the planner, the reader's validation and the tests call.
Result<InferredShapes> infer_shapes(const OpSpec& spec, const NodeDesc& node);

}  // namespace octet
