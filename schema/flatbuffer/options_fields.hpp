// Which field of a wire table holds which member of the attributes, once for both directions:
// fields(table, io, attrs) calls io(attrs.member, how to get the field, how to add it) for each.
// Included by options.cpp only.
#pragma once

#include <type_traits>

#include "schema/flatbuffer/wire.hpp"

namespace octet {

#define FIELDS(Table, Attrs)                               \
  template <class IO, class A>                             \
    requires std::is_same_v<std::remove_const_t<A>, Attrs> \
  void fields(const wire::Table*, IO& io, A& a)
#define FIELD(Table, field, member)                             \
  io(                                                           \
      a.member, [](const wire::Table& t) { return t.field(); }, \
      [](wire::Table##Builder& b, auto v) { b.add_##field(v); })

FIELDS(Conv2DOptions, Conv2DAttrs) {
  FIELD(Conv2DOptions, padding, padding);
  FIELD(Conv2DOptions, stride_w, stride_w);
  FIELD(Conv2DOptions, stride_h, stride_h);
  FIELD(Conv2DOptions, fused_activation_function, act);
  FIELD(Conv2DOptions, dilation_w_factor, dilation_w);
  FIELD(Conv2DOptions, dilation_h_factor, dilation_h);
  FIELD(Conv2DOptions, quantized_bias_type, quantized_bias_type);
}
FIELDS(DepthwiseConv2DOptions, DepthwiseConv2DAttrs) {
  FIELD(DepthwiseConv2DOptions, padding, padding);
  FIELD(DepthwiseConv2DOptions, stride_w, stride_w);
  FIELD(DepthwiseConv2DOptions, stride_h, stride_h);
  FIELD(DepthwiseConv2DOptions, depth_multiplier, depth_multiplier);
  FIELD(DepthwiseConv2DOptions, fused_activation_function, act);
  FIELD(DepthwiseConv2DOptions, dilation_w_factor, dilation_w);
  FIELD(DepthwiseConv2DOptions, dilation_h_factor, dilation_h);
}
FIELDS(TransposeConvOptions, TransposeConvAttrs) {
  FIELD(TransposeConvOptions, padding, padding);
  FIELD(TransposeConvOptions, stride_w, stride_w);
  FIELD(TransposeConvOptions, stride_h, stride_h);
  FIELD(TransposeConvOptions, fused_activation_function, act);
  FIELD(TransposeConvOptions, quantized_bias_type, quantized_bias_type);
}
FIELDS(Conv3DOptions, Conv3DAttrs) {
  FIELD(Conv3DOptions, padding, padding);
  FIELD(Conv3DOptions, stride_d, stride_d);
  FIELD(Conv3DOptions, stride_w, stride_w);
  FIELD(Conv3DOptions, stride_h, stride_h);
  FIELD(Conv3DOptions, fused_activation_function, act);
  FIELD(Conv3DOptions, dilation_d_factor, dilation_d);
  FIELD(Conv3DOptions, dilation_w_factor, dilation_w);
  FIELD(Conv3DOptions, dilation_h_factor, dilation_h);
}
FIELDS(Pool2DOptions, Pool2DAttrs) {
  FIELD(Pool2DOptions, padding, padding);
  FIELD(Pool2DOptions, stride_w, stride_w);
  FIELD(Pool2DOptions, stride_h, stride_h);
  FIELD(Pool2DOptions, filter_width, filter_w);
  FIELD(Pool2DOptions, filter_height, filter_h);
  FIELD(Pool2DOptions, fused_activation_function, act);
}
FIELDS(FullyConnectedOptions, FullyConnectedAttrs) {
  FIELD(FullyConnectedOptions, fused_activation_function, act);
  FIELD(FullyConnectedOptions, weights_format, weights_format);
  FIELD(FullyConnectedOptions, keep_num_dims, keep_num_dims);
  FIELD(FullyConnectedOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
  FIELD(FullyConnectedOptions, quantized_bias_type, quantized_bias_type);
}
FIELDS(BatchMatMulOptions, BatchMatMulAttrs) {
  FIELD(BatchMatMulOptions, adj_x, adj_x);
  FIELD(BatchMatMulOptions, adj_y, adj_y);
  FIELD(BatchMatMulOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(ConcatenationOptions, ConcatAttrs) {
  FIELD(ConcatenationOptions, axis, axis);
  FIELD(ConcatenationOptions, fused_activation_function, act);
}
FIELDS(AddOptions, BinaryAttrs) {
  FIELD(AddOptions, fused_activation_function, act);
  FIELD(AddOptions, pot_scale_int16, pot_scale_int16);
}
FIELDS(SubOptions, BinaryAttrs) {
  FIELD(SubOptions, fused_activation_function, act);
  FIELD(SubOptions, pot_scale_int16, pot_scale_int16);
}
FIELDS(MulOptions, BinaryAttrs) {
  FIELD(MulOptions, fused_activation_function, act);
}
FIELDS(DivOptions, BinaryAttrs) {
  FIELD(DivOptions, fused_activation_function, act);
}
FIELDS(L2NormOptions, ActivationAttrs) {
  FIELD(L2NormOptions, fused_activation_function, act);
}
FIELDS(LocalResponseNormalizationOptions, LrnAttrs) {
  FIELD(LocalResponseNormalizationOptions, radius, radius);
  FIELD(LocalResponseNormalizationOptions, bias, bias);
  FIELD(LocalResponseNormalizationOptions, alpha, alpha);
  FIELD(LocalResponseNormalizationOptions, beta, beta);
}
FIELDS(SVDFOptions, SvdfAttrs) {
  FIELD(SVDFOptions, rank, rank);
  FIELD(SVDFOptions, fused_activation_function, act);
  FIELD(SVDFOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(RNNOptions, RnnAttrs) {
  FIELD(RNNOptions, fused_activation_function, act);
  FIELD(RNNOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(SequenceRNNOptions, SequenceRnnAttrs) {
  FIELD(SequenceRNNOptions, time_major, time_major);
  FIELD(SequenceRNNOptions, fused_activation_function, act);
  FIELD(SequenceRNNOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(BidirectionalSequenceRNNOptions, BidirectionalRnnAttrs) {
  FIELD(BidirectionalSequenceRNNOptions, time_major, time_major);
  FIELD(BidirectionalSequenceRNNOptions, fused_activation_function, act);
  FIELD(BidirectionalSequenceRNNOptions, merge_outputs, merge_outputs);
  FIELD(BidirectionalSequenceRNNOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(LSTMOptions, LstmAttrs) {
  FIELD(LSTMOptions, fused_activation_function, act);
  FIELD(LSTMOptions, cell_clip, cell_clip);
  FIELD(LSTMOptions, proj_clip, proj_clip);
  FIELD(LSTMOptions, kernel_type, basic_kernel);
  FIELD(LSTMOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(UnidirectionalSequenceLSTMOptions, SequenceLstmAttrs) {
  FIELD(UnidirectionalSequenceLSTMOptions, fused_activation_function, act);
  FIELD(UnidirectionalSequenceLSTMOptions, cell_clip, cell_clip);
  FIELD(UnidirectionalSequenceLSTMOptions, proj_clip, proj_clip);
  FIELD(UnidirectionalSequenceLSTMOptions, time_major, time_major);
  FIELD(UnidirectionalSequenceLSTMOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
  FIELD(UnidirectionalSequenceLSTMOptions, diagonal_recurrent_tensors, diagonal_recurrent_tensors);
}
FIELDS(BidirectionalSequenceLSTMOptions, BidirectionalLstmAttrs) {
  FIELD(BidirectionalSequenceLSTMOptions, fused_activation_function, act);
  FIELD(BidirectionalSequenceLSTMOptions, cell_clip, cell_clip);
  FIELD(BidirectionalSequenceLSTMOptions, proj_clip, proj_clip);
  FIELD(BidirectionalSequenceLSTMOptions, merge_outputs, merge_outputs);
  FIELD(BidirectionalSequenceLSTMOptions, time_major, time_major);
  FIELD(BidirectionalSequenceLSTMOptions, asymmetric_quantize_inputs, asymmetric_quantize_inputs);
}
FIELDS(SoftmaxOptions, SoftmaxAttrs) {
  FIELD(SoftmaxOptions, beta, beta);
}
FIELDS(ResizeBilinearOptions, ResizeAttrs) {
  FIELD(ResizeBilinearOptions, align_corners, align_corners);
  FIELD(ResizeBilinearOptions, half_pixel_centers, half_pixel_centers);
}
FIELDS(ResizeNearestNeighborOptions, ResizeAttrs) {
  FIELD(ResizeNearestNeighborOptions, align_corners, align_corners);
  FIELD(ResizeNearestNeighborOptions, half_pixel_centers, half_pixel_centers);
}
FIELDS(SpaceToDepthOptions, BlockAttrs) {
  FIELD(SpaceToDepthOptions, block_size, block_size);
}
FIELDS(DepthToSpaceOptions, BlockAttrs) {
  FIELD(DepthToSpaceOptions, block_size, block_size);
}
FIELDS(GatherOptions, GatherAttrs) {
  FIELD(GatherOptions, axis, axis);
  FIELD(GatherOptions, batch_dims, batch_dims);
}
FIELDS(ReducerOptions, ReduceAttrs) {
  FIELD(ReducerOptions, keep_dims, keep_dims);
}
FIELDS(SplitOptions, SplitAttrs) {
  FIELD(SplitOptions, num_splits, num_splits);
}
FIELDS(SplitVOptions, SplitAttrs) {
  FIELD(SplitVOptions, num_splits, num_splits);
}
FIELDS(StridedSliceOptions, StridedSliceAttrs) {
  FIELD(StridedSliceOptions, begin_mask, begin_mask);
  FIELD(StridedSliceOptions, end_mask, end_mask);
  FIELD(StridedSliceOptions, ellipsis_mask, ellipsis_mask);
  FIELD(StridedSliceOptions, new_axis_mask, new_axis_mask);
  FIELD(StridedSliceOptions, shrink_axis_mask, shrink_axis_mask);
  FIELD(StridedSliceOptions, offset, offset);
}
FIELDS(CastOptions, CastAttrs) {
  FIELD(CastOptions, in_data_type, in);
  FIELD(CastOptions, out_data_type, out);
}
FIELDS(ArgMaxOptions, ArgAttrs) {
  FIELD(ArgMaxOptions, output_type, output_type);
}
FIELDS(ArgMinOptions, ArgAttrs) {
  FIELD(ArgMinOptions, output_type, output_type);
}
FIELDS(ShapeOptions, ShapeAttrs) {
  FIELD(ShapeOptions, out_type, out_type);
}
FIELDS(PackOptions, PackAttrs) {
  FIELD(PackOptions, values_count, count);
  FIELD(PackOptions, axis, axis);
}
FIELDS(UnpackOptions, UnpackAttrs) {
  FIELD(UnpackOptions, num, count);
  FIELD(UnpackOptions, axis, axis);
}
FIELDS(OneHotOptions, OneHotAttrs) {
  FIELD(OneHotOptions, axis, axis);
}
FIELDS(LeakyReluOptions, LeakyReluAttrs) {
  FIELD(LeakyReluOptions, alpha, alpha);
}
FIELDS(MirrorPadOptions, MirrorPadAttrs) {
  FIELD(MirrorPadOptions, mode, mode);
}
FIELDS(GeluOptions, GeluAttrs) {
  FIELD(GeluOptions, approximate, approximate);
}
FIELDS(CumsumOptions, CumsumAttrs) {
  FIELD(CumsumOptions, exclusive, exclusive);
  FIELD(CumsumOptions, reverse, reverse);
}
FIELDS(ReverseSequenceOptions, ReverseSequenceAttrs) {
  FIELD(ReverseSequenceOptions, seq_dim, seq_dim);
  FIELD(ReverseSequenceOptions, batch_dim, batch_dim);
}
FIELDS(IfOptions, IfAttrs) {
  FIELD(IfOptions, then_subgraph_index, then_graph);
  FIELD(IfOptions, else_subgraph_index, else_graph);
}
FIELDS(WhileOptions, WhileAttrs) {
  FIELD(WhileOptions, cond_subgraph_index, cond_graph);
  FIELD(WhileOptions, body_subgraph_index, body_graph);
}
FIELDS(CallOnceOptions, CallOnceAttrs) {
  FIELD(CallOnceOptions, init_subgraph_index, init_graph);
}
FIELDS(GRUOptions, GruAttrs) {
  FIELD(GRUOptions, fused_activation_function, act);
  FIELD(GRUOptions, return_sequences, return_sequences);
  FIELD(GRUOptions, time_major, time_major);
}
FIELDS(BCQGatherOptions, BcqGatherAttrs) {
  FIELD(BCQGatherOptions, input_hidden_size, input_hidden_size);
  FIELD(BCQGatherOptions, axis, axis);
}
FIELDS(BCQFullyConnectedOptions, BcqFullyConnectedAttrs) {
  FIELD(BCQFullyConnectedOptions, weights_hidden_size, weights_hidden_size);
  FIELD(BCQFullyConnectedOptions, fused_activation_function, act);
}
FIELDS(InstanceNormOptions, InstanceNormAttrs) {
  FIELD(InstanceNormOptions, epsilon, epsilon);
  FIELD(InstanceNormOptions, fused_activation_function, act);
}
FIELDS(RmsNormOptions, RmsNormAttrs) {
  FIELD(RmsNormOptions, epsilon, epsilon);
}
FIELDS(RoPEOptions, RopeAttrs) {
  FIELD(RoPEOptions, mode, mode);
}
#undef FIELDS
#undef FIELD

}  // namespace octet
