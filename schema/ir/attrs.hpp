// Attributes of operators: the builtin options of the wire format as plain structs, one variant.
// Several operators share a struct where the format gives them the same fields.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "octet/tensor.hpp"

namespace octet {

// The fused activation of an operator. `clamp` (bounds lo and hi) has no code in the file formats: it exists
// only inside Octet, as the result of a fusion; the writer refuses it on float graphs.
struct Activation {
  enum class Kind : uint8_t {
    none = 0,
    relu = 1,
    relu_n1_to_1 = 2,
    relu6 = 3,
    tanh = 4,
    sign_bit = 5,
    clamp = 6
  };
  Kind kind = Kind::none;
  float lo = 0, hi = 0;  // only for clamp

  Activation() = default;
  Activation(Kind k) : kind(k) {}  // NOLINT(google-explicit-constructor)
  static Activation clamp(float lo, float hi) {
    Activation a(Kind::clamp);
    a.lo = lo;
    a.hi = hi;
    return a;
  }
  bool none() const { return kind == Kind::none; }
  friend bool operator==(const Activation&, const Activation&) = default;
};

// Padding of windows. `explicit_` holds the amounts themselves; like Activation::clamp it exists only inside
// Octet (a PAD folded into its consumer), never in a file.
struct Padding {
  enum class Kind : uint8_t { same = 0, valid = 1, explicit_ = 2 };
  Kind kind = Kind::same;
  int32_t top = 0, bottom = 0, left = 0, right = 0;  // only for explicit_

  Padding() = default;
  Padding(Kind k) : kind(k) {}  // NOLINT(google-explicit-constructor)
  friend bool operator==(const Padding&, const Padding&) = default;
};

#define OCTET_EQ(T) friend bool operator==(const T&, const T&) = default

struct NoAttrs {
  OCTET_EQ(NoAttrs);
};
struct ActivationAttrs {
  Activation act;
  OCTET_EQ(ActivationAttrs);
};
struct BinaryAttrs {
  Activation act;
  bool pot_scale_int16 = true;  // AddOptions/SubOptions
  OCTET_EQ(BinaryAttrs);
};
struct Conv2DAttrs {
  Padding padding;
  int32_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  Activation act;
  DType quantized_bias_type = DType::float32;
  OCTET_EQ(Conv2DAttrs);
};
struct DepthwiseConv2DAttrs {
  Padding padding;
  int32_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1, depth_multiplier = 1;
  Activation act;
  OCTET_EQ(DepthwiseConv2DAttrs);
};
struct TransposeConvAttrs {
  Padding padding;
  int32_t stride_h = 1, stride_w = 1;
  Activation act;
  DType quantized_bias_type = DType::float32;
  OCTET_EQ(TransposeConvAttrs);
};
struct Conv3DAttrs {
  Padding padding;
  int32_t stride_d = 1, stride_h = 1, stride_w = 1, dilation_d = 1, dilation_h = 1, dilation_w = 1;
  Activation act;
  OCTET_EQ(Conv3DAttrs);
};
struct Pool2DAttrs {
  Padding padding;
  int32_t stride_h = 1, stride_w = 1, filter_h = 1, filter_w = 1;
  Activation act;
  OCTET_EQ(Pool2DAttrs);
};
struct FullyConnectedAttrs {
  Activation act;
  int32_t weights_format = 0;  // 0: default; 1: shuffled 4x16 int8 (refused)
  bool keep_num_dims = false, asymmetric_quantize_inputs = false;
  DType quantized_bias_type = DType::float32;
  OCTET_EQ(FullyConnectedAttrs);
};
struct BatchMatMulAttrs {
  bool adj_x = false, adj_y = false, asymmetric_quantize_inputs = false;
  OCTET_EQ(BatchMatMulAttrs);
};
struct ConcatAttrs {
  int32_t axis = 0;
  Activation act;
  OCTET_EQ(ConcatAttrs);
};
struct BlockAttrs {
  int32_t block_size = 1;
  OCTET_EQ(BlockAttrs);
};
struct LrnAttrs {
  int32_t radius = 0;
  float bias = 0, alpha = 0, beta = 0;
  OCTET_EQ(LrnAttrs);
};
struct ReshapeAttrs {
  std::vector<int32_t> new_shape;
  bool has_shape = false;
  OCTET_EQ(ReshapeAttrs);
};
struct ResizeAttrs {
  bool align_corners = false, half_pixel_centers = false;
  OCTET_EQ(ResizeAttrs);
};
struct SoftmaxAttrs {
  float beta = 1;
  OCTET_EQ(SoftmaxAttrs);
};
struct GatherAttrs {
  int32_t axis = 0, batch_dims = 0;
  OCTET_EQ(GatherAttrs);
};
struct ReduceAttrs {
  bool keep_dims = false;
  OCTET_EQ(ReduceAttrs);
};
struct SqueezeAttrs {
  std::vector<int32_t> axes;
  OCTET_EQ(SqueezeAttrs);
};
struct StridedSliceAttrs {
  int32_t begin_mask = 0, end_mask = 0, ellipsis_mask = 0, new_axis_mask = 0, shrink_axis_mask = 0;
  bool offset = false;
  OCTET_EQ(StridedSliceAttrs);
};
struct SplitAttrs {
  int32_t num_splits = 0;
  OCTET_EQ(SplitAttrs);
};
struct CastAttrs {
  DType in = DType::float32, out = DType::float32;
  bool has_types = false;
  OCTET_EQ(CastAttrs);
};
struct ArgAttrs {
  DType output_type = DType::int64;
  OCTET_EQ(ArgAttrs);
};
struct ShapeAttrs {
  DType out_type = DType::int32;
  OCTET_EQ(ShapeAttrs);
};
struct PackAttrs {
  int32_t count = 0, axis = 0;
  OCTET_EQ(PackAttrs);
};
struct UnpackAttrs {
  int32_t count = 0, axis = 0;
  OCTET_EQ(UnpackAttrs);
};
struct OneHotAttrs {
  int32_t axis = -1;
  OCTET_EQ(OneHotAttrs);
};
struct LeakyReluAttrs {
  float alpha = 0;
  OCTET_EQ(LeakyReluAttrs);
};
struct MirrorPadAttrs {
  enum class Mode : uint8_t { reflect = 0, symmetric = 1 } mode = Mode::reflect;
  OCTET_EQ(MirrorPadAttrs);
};
struct GeluAttrs {
  bool approximate = false;
  OCTET_EQ(GeluAttrs);
};
struct CumsumAttrs {
  bool exclusive = false, reverse = false;
  OCTET_EQ(CumsumAttrs);
};
struct ReverseSequenceAttrs {
  int32_t seq_dim = 0, batch_dim = 0;
  OCTET_EQ(ReverseSequenceAttrs);
};
struct SvdfAttrs {
  int32_t rank = 1;
  Activation act;
  bool asymmetric_quantize_inputs = false;
  OCTET_EQ(SvdfAttrs);
};
struct RnnAttrs {
  Activation act;
  bool asymmetric_quantize_inputs = false;
  OCTET_EQ(RnnAttrs);
};
struct SequenceRnnAttrs {
  bool time_major = false;
  Activation act;
  bool asymmetric_quantize_inputs = false;
  OCTET_EQ(SequenceRnnAttrs);
};
struct BidirectionalRnnAttrs {
  bool time_major = false;
  Activation act;
  bool merge_outputs = false, asymmetric_quantize_inputs = false;
  OCTET_EQ(BidirectionalRnnAttrs);
};
struct LstmAttrs {
  Activation act;
  float cell_clip = 0, proj_clip = 0;
  bool basic_kernel = false, asymmetric_quantize_inputs = false;
  OCTET_EQ(LstmAttrs);
};
struct SequenceLstmAttrs {
  Activation act;
  float cell_clip = 0, proj_clip = 0;
  bool time_major = false, asymmetric_quantize_inputs = false, diagonal_recurrent_tensors = false;
  OCTET_EQ(SequenceLstmAttrs);
};
struct BidirectionalLstmAttrs {
  Activation act;
  float cell_clip = 0, proj_clip = 0;
  bool merge_outputs = false, time_major = true, asymmetric_quantize_inputs = false;
  OCTET_EQ(BidirectionalLstmAttrs);
};
struct IfAttrs {
  int32_t then_graph = 0, else_graph = 0;
  OCTET_EQ(IfAttrs);
};
struct WhileAttrs {
  int32_t cond_graph = 0, body_graph = 0;
  OCTET_EQ(WhileAttrs);
};
struct CallOnceAttrs {
  int32_t init_graph = 0;
  OCTET_EQ(CallOnceAttrs);
};
struct VarHandleAttrs {
  std::string container, shared_name;
  OCTET_EQ(VarHandleAttrs);
};
// circle's own operators.
struct InstanceNormAttrs {
  float epsilon = 0;
  Activation act;
  OCTET_EQ(InstanceNormAttrs);
};
struct RmsNormAttrs {
  float epsilon = 0;
  OCTET_EQ(RmsNormAttrs);
};
struct GruAttrs {
  Activation act;
  bool return_sequences = false, time_major = false;
  OCTET_EQ(GruAttrs);
};
struct RopeAttrs {
  enum class Mode : uint8_t { gpt_neox = 0, gpt_j = 1 } mode = Mode::gpt_neox;
  OCTET_EQ(RopeAttrs);
};
struct BcqGatherAttrs {
  int32_t input_hidden_size = 0, axis = 0;
  OCTET_EQ(BcqGatherAttrs);
};
struct BcqFullyConnectedAttrs {
  int32_t weights_hidden_size = 0;
  Activation act;
  OCTET_EQ(BcqFullyConnectedAttrs);
};
struct CustomAttrs {
  std::string name;
  std::vector<uint8_t> options;
  OCTET_EQ(CustomAttrs);
};
// A builtin without a row in ops.def: its name for messages, its code; its options are not kept, so a model
// that holds one can be inspected but not written.
struct UnknownAttrs {
  int32_t code = -1;
  std::string name;
  int32_t decomposition = -1;  // the graph that spells a composite operator out; -1: it is none
  OCTET_EQ(UnknownAttrs);
};

#undef OCTET_EQ

using AnyAttrs =
    std::variant<NoAttrs, ActivationAttrs, BinaryAttrs, Conv2DAttrs, DepthwiseConv2DAttrs, TransposeConvAttrs,
                 Conv3DAttrs, Pool2DAttrs, FullyConnectedAttrs, BatchMatMulAttrs, ConcatAttrs, BlockAttrs,
                 LrnAttrs, ReshapeAttrs, ResizeAttrs, SoftmaxAttrs, GatherAttrs, ReduceAttrs, SqueezeAttrs,
                 StridedSliceAttrs, SplitAttrs, CastAttrs, ArgAttrs, ShapeAttrs, PackAttrs, UnpackAttrs,
                 OneHotAttrs, LeakyReluAttrs, MirrorPadAttrs, GeluAttrs, CumsumAttrs, ReverseSequenceAttrs,
                 SvdfAttrs, RnnAttrs, SequenceRnnAttrs, BidirectionalRnnAttrs, LstmAttrs, SequenceLstmAttrs,
                 BidirectionalLstmAttrs, IfAttrs, WhileAttrs, CallOnceAttrs, VarHandleAttrs,
                 InstanceNormAttrs, RmsNormAttrs, GruAttrs, RopeAttrs, BcqGatherAttrs, BcqFullyConnectedAttrs,
                 CustomAttrs, UnknownAttrs>;

// A class of its own so that what copies and destroys fifty alternatives is compiled once (attrs.cpp), not in
// every file that holds a graph.
class Attrs : public AnyAttrs {
 public:
  Attrs();
  Attrs(const Attrs& other);
  Attrs(Attrs&& other) noexcept;
  Attrs& operator=(const Attrs& other);
  Attrs& operator=(Attrs&& other) noexcept;
  ~Attrs();
  using AnyAttrs::AnyAttrs;  // from any alternative
  using AnyAttrs::operator=;
};
bool operator==(const Attrs& a, const Attrs& b);

// The fused activation inside `attrs`, or nullptr where the operator has none.
Activation* activation_of(Attrs& attrs);
const Activation* activation_of(const Attrs& attrs);

}  // namespace octet
