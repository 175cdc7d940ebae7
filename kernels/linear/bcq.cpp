// BCQ_FULLY_CONNECTED and BCQ_GATHER (circle): weights as sums of signs, w = sum over k of scale_k * b_k with
// b in {-1, +1}. Shapes are inferred and checked; the operators are not run.
//
// What is public (Samsung/ONE: circle_schema.fbs, luci's FuseBCQPass.cpp and CircleShapeInferenceRule.cpp,
// onert's ShapeInference.cc and ShapeValidator.cc, res/CircleRecipes/BCQ*):
//   clusters  int32 (n, 2): of each group of rows, the number of signs per weight and how many rows it has;
//   binary    int32, two axes: sum of (signs * rows) times hidden / 32 numbers, each of 32 signs;
//   scales    float32, one axis: sum of (signs * rows) numbers;
//   BCQ_FULLY_CONNECTED: input (hidden, batch), output (rows, batch), a bias of `rows` numbers or none;
//   BCQ_GATHER: GATHER along `axis` of the matrix (rows, hidden).
// What is not: which bit of a number is which column, which bit value is +1, and in which order the signs of
// a cluster's rows and their scales follow each other. onert hands both operators to its "bcq" backend, whose
// kernels (BiQGEMM) are not published, and no public model or test has both codes and the weights they stand
// for. Any choice would compute something, and nothing could tell whether it is right.
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct Matrix {
  int32_t rows = 0, hidden = 0;
};

Status expect(const TensorDesc& t, DType dtype, std::string_view what, int rank, int64_t elements) {
  if (t.dtype == dtype && t.shape.rank() == rank && t.elements() == elements) return {};
  return Status::corrupt(fmt::format("{} '{}' are {} {}, must be {} {} with {} axes", what, t.name,
                                     name_of(t.dtype), t.shape.to_string(), elements, name_of(dtype), rank));
}

// The matrix that scales, codes and clusters (inputs of these numbers) describe. Clusters must be known.
Result<Matrix> matrix_of(const NodeDesc& n, size_t scales, size_t binary, size_t clusters, int32_t hidden) {
  const TensorDesc& c = n.in[clusters];
  if (c.dtype != DType::int32 || c.shape.rank() != 2 || c.shape[1] != 2 || c.shape[0] < 1)
    return Status::corrupt(fmt::format("clusters '{}' are {} {}, must be int32 nx2", c.name, name_of(c.dtype),
                                       c.shape.to_string()));
  if (hidden < 1) return Status::corrupt(fmt::format("has a hidden size of {}", hidden));
  int64_t rows = 0, codes = 0;
  const std::span<const int32_t> numbers = c.as<int32_t>();
  for (size_t i = 0; i < numbers.size(); i += 2) {
    const int32_t signs = numbers[i], size = numbers[i + 1];
    if (signs < 1 || signs > 32 || size < 1)
      return Status::corrupt(
          fmt::format("cluster {} of '{}' has {} rows of {} signs", i / 2, c.name, size, signs));
    rows += size;
    codes += int64_t{signs} * size;
    if (codes > INT32_MAX) return Status::corrupt(fmt::format("clusters '{}' have too many rows", c.name));
  }
  OCTET_TRY(expect(n.in[scales], DType::float32, "scales", 1, codes));
  OCTET_TRY(expect(n.in[binary], DType::int32, "codes", 2, codes * ((hidden - 1) / 32 + 1)));
  return Matrix{static_cast<int32_t>(rows), hidden};
}

Result<InferredShapes> infer_bcq_fully_connected(const NodeDesc& n) {
  if (n.in.size() != 5) return Status::corrupt(fmt::format("has {} inputs, takes 5", n.in.size()));
  for (size_t i : {size_t{0}, size_t{1}, size_t{2}, size_t{4}})
    if (!n.has_input(i)) return Status::corrupt(fmt::format("input {} is absent", i));
  if (!n.in[4].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Matrix w, matrix_of(n, 1, 2, 4, n.attr<BcqFullyConnectedAttrs>().weights_hidden_size));
  const Shape& x = n.in[0].shape;
  if (x.rank() != 2 || x[0] != w.hidden)
    return Status::corrupt(fmt::format("the input is {}, must be {} x batch", x.to_string(), w.hidden));
  if (const TensorDesc* b = n.optional_input(3)) OCTET_TRY(expect(*b, DType::float32, "biases", 1, w.rows));
  return one({w.rows, x[1]});
}

Result<InferredShapes> infer_bcq_gather(const NodeDesc& n) {
  const TensorDesc& indices = n.in[2];
  if (!n.in[3].is_known()) return InferredShapes::later();
  const auto& attr = n.attr<BcqGatherAttrs>();
  OCTET_ASSIGN(const Matrix w, matrix_of(n, 0, 1, 3, attr.input_hidden_size));
  if (attr.axis != 0 && attr.axis != 1)
    return Status::corrupt(fmt::format("gathers along axis {}", attr.axis));
  if (indices.dtype != DType::int32 && indices.dtype != DType::int64)
    return Status::corrupt(fmt::format("indices '{}' are {}", indices.name, name_of(indices.dtype)));
  if (indices.shape.rank() + 1 > Shape::kMaxRank)
    return Status::unsupported(fmt::format("indices of {} axes", indices.shape.rank()));
  Shape s;
  if (attr.axis == 1) s.push_back(w.rows);
  for (int32_t d : indices.shape.dims())
    s.push_back(d);
  if (attr.axis == 0) s.push_back(w.hidden);
  return one(s);
}

KernelResult refuse(const NodeDesc&, ThreadPool&) {
  return Status::unsupported(
      "binary-coded weights: the order of their bits, rows and scales is not published");
}

OpSpec bcq_spec(OpKind kind, Arity inputs, InferFn infer) {
  OpSpec s;
  s.kind = kind;
  s.inputs = inputs;
  s.infer = infer;
  s.reference = {"reference", refuse};
  s.quant = QuantRule::none("has binary-coded weights");
  s.notes = "only in .circle; read, checked and written, not run: the order of the codes is not published";
  return s;
}

}  // namespace

const OpSpec& spec_BCQ_FULLY_CONNECTED() {
  static const OpSpec spec =
      read_by(bcq_spec(OpKind::BCQ_FULLY_CONNECTED, {1, 5}, infer_bcq_fully_connected), kNoForm, kNoForm);
  return spec;
}

const OpSpec& spec_BCQ_GATHER() {
  static const OpSpec spec =
      read_by(bcq_spec(OpKind::BCQ_GATHER, {4, 4}, infer_bcq_gather), kNoForm, kNoForm);
  return spec;
}

}  // namespace octet
