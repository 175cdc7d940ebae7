// REVERSE_V2 and REVERSE_SEQUENCE.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/indices.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

Result<std::vector<bool>> reversed_axes(const NodeDesc& n) {
  const int rank = n.in[0].shape.rank();
  OCTET_ASSIGN(const auto axes, integers_of(n.in[1]));
  std::vector<bool> reversed(static_cast<size_t>(rank), false);
  for (int64_t a : axes) {
    const auto axis = normalize_axis(a, rank);
    if (!axis)
      return Status::corrupt(fmt::format("axis {} is out of range for {}", a, n.in[0].shape.to_string()));
    if (reversed[static_cast<size_t>(*axis)])
      return Status::corrupt(fmt::format("axis {} is named twice", a));
    reversed[static_cast<size_t>(*axis)] = true;
  }
  return reversed;
}

Result<InferredShapes> infer_reverse(const NodeDesc& n) {
  if (n.in[1].is_known()) OCTET_TRY(reversed_axes(n).status());
  return infer_same(n);
}

Result<Rearrangement> describe_reverse(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const auto reversed, reversed_axes(n));
  const auto strides = strides_of(n.in[0].shape);
  for (size_t i = 0; i < reversed.size(); ++i) {
    const int64_t extent = n.in[0].shape[static_cast<int>(i)];
    r.axes.push_back(SourceAxis::by_step(extent, reversed[i] ? -strides[i] : strides[i]));
    if (reversed[i]) r.base += (extent - 1) * strides[i];
  }
  return r;
}

// Axes that are computed at run time: the description is made there.
template <bool fast>
KernelResult create_reverse(const NodeDesc& n, ThreadPool& pool) {
  if (n.in[1].is_known())
    return fast ? create_moved<describe_reverse>(n, pool) : create_moved_reference<describe_reverse>(n, pool);
  return make_kernel([in = std::vector<TensorDesc>(n.in.begin(), n.in.end()),
                      out = n.out[0]](const RunArgs& args) mutable -> Status {
    in[0].name = in[1].name = out.name = "reverse";  // names live in the graph, not here
    in[1].data = args.in[1];
    NodeDesc now{.kind = OpKind::REVERSE_V2, .in = in, .out = {&out, 1}};
    OCTET_ASSIGN(Rearrangement r, describe_reverse(now));
    FastRearrangement(std::move(r)).run(args.in[0], args.out[0], args.pool);
    return {};
  });
}

// ---------------------------------------------------------------------------------------------------------
// REVERSE_SEQUENCE: of each batch, the first elements along the sequence, as many as the batch's length says.

struct SequenceAxes {
  int sequence = 0, batch = 0;
};

Result<SequenceAxes> sequence_axes(const NodeDesc& n) {
  const Shape& x = n.in[0].shape;
  const auto& a = n.attr<ReverseSequenceAttrs>();
  const auto sequence = normalize_axis(a.seq_dim, x.rank()), batch = normalize_axis(a.batch_dim, x.rank());
  if (!sequence || !batch)
    return Status::corrupt(
        fmt::format("axes {} and {} are out of range for {}", a.seq_dim, a.batch_dim, x.to_string()));
  if (*sequence == *batch)
    return Status::corrupt(fmt::format("axis {} is both the sequence and the batch", a.seq_dim));
  return SequenceAxes{*sequence, *batch};
}

Result<InferredShapes> infer_reverse_sequence(const NodeDesc& n) {
  OCTET_ASSIGN(const SequenceAxes axes, sequence_axes(n));
  const TensorDesc& lengths = n.in[1];
  if (lengths.dtype != DType::int32 && lengths.dtype != DType::int64)
    return Status::unsupported(fmt::format("lengths '{}' are {}", lengths.name, name_of(lengths.dtype)));
  const int32_t batches = n.in[0].shape[axes.batch];
  if (lengths.shape.rank() != 1 || lengths.shape[0] != batches)
    return Status::corrupt(
        fmt::format("lengths of shape {} for {} batches", lengths.shape.to_string(), batches));
  return infer_same(n);
}

KernelResult create_reverse_sequence(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  OCTET_ASSIGN(const SequenceAxes axes, sequence_axes(n));
  const Shape& x = n.in[0].shape;
  const bool batch_first = axes.batch < axes.sequence;
  const int first = std::min(axes.batch, axes.sequence), second = std::max(axes.batch, axes.sequence);
  const int64_t outer = x.elements(0, first), middle = x.elements(first + 1, second);
  const int64_t run = x.elements(second + 1, x.rank()) * static_cast<int64_t>(element);
  return make_kernel([=, firsts = int64_t{x[first]}, seconds = int64_t{x[second]},
                      type = n.in[1].dtype](const RunArgs& args) -> Status {
    const IndexReader lengths{type, args.in[1]};
    const int64_t batches = batch_first ? firsts : seconds, steps = batch_first ? seconds : firsts;
    for (int64_t b = 0; b < batches; ++b)
      if (lengths[b] < 0 || lengths[b] > steps)
        return Status::invalid(fmt::format("length {} of a sequence of {}", lengths[b], steps));
    const auto* from = static_cast<const std::byte*>(args.in[0]);
    auto* to = static_cast<std::byte*>(args.out[0]);
    const auto reversed = [&](int64_t batch, int64_t step) {
      return step < lengths[batch] ? lengths[batch] - 1 - step : step;
    };
    args.pool.for_range(static_cast<size_t>(outer * firsts), 16, [&](size_t begin, size_t end) {
      for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row)
        for (int64_t m = 0; m < middle; ++m)
          for (int64_t j = 0; j < seconds; ++j) {
            const int64_t i = row % firsts;
            const int64_t source_row = batch_first ? row : row - i + reversed(j, i);
            const int64_t source_j = batch_first ? reversed(i, j) : j;
            std::memcpy(to + ((row * middle + m) * seconds + j) * run,
                        from + ((source_row * middle + m) * seconds + source_j) * run,
                        static_cast<size_t>(run));
          }
    });
    return {};
  });
}

}  // namespace

const OpSpec& spec_REVERSE_V2() {
  static const OpSpec spec{
      .kind = OpKind::REVERSE_V2,
      .traits = kMovesAlone,
      .inputs = {2, 2},
      .infer = infer_reverse,
      .reference = {"reference", create_reverse<false>},
      .fast = {{"copy-runs", create_reverse<true>, cost::per_element<150>}},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 3,
  };
  return spec;
}

const OpSpec& spec_REVERSE_SEQUENCE() {
  static const OpSpec spec{
      .kind = OpKind::REVERSE_SEQUENCE,
      .traits = kMovesAlone,
      .inputs = {2, 2},
      .infer = infer_reverse_sequence,
      .reference = {"reference", create_reverse_sequence},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .readers = {kFloatForm, kNoForm},
      .notes = "a length out of range is an error",
  };
  return spec;
}

}  // namespace octet
