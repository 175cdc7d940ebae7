// TRANSPOSE
#include "kernels/movement/transpose.hpp"

#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/strides.hpp"

namespace octet {

Result<std::vector<int>> permutation_of(const NodeDesc& n) {
  const int rank = n.in[0].shape.rank();
  OCTET_ASSIGN(const auto given, integers_of(n.in[1]));
  if (static_cast<int>(given.size()) != rank)
    return Status::corrupt(fmt::format("permutation has {} axes, the input {}", given.size(), rank));
  std::vector<int> perm;
  std::vector<bool> seen(given.size(), false);
  for (int64_t g : given) {
    const auto axis = normalize_axis(g, rank);
    if (!axis) return Status::corrupt(fmt::format("permutation names axis {} of {}", g, rank));
    if (seen[static_cast<size_t>(*axis)])
      return Status::corrupt(fmt::format("permutation names axis {} twice", g));
    seen[static_cast<size_t>(*axis)] = true;
    perm.push_back(*axis);
  }
  return perm;
}

namespace {

Result<InferredShapes> infer_transpose(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto perm, permutation_of(n));
  Shape out;
  for (int p : perm)
    out.push_back(n.in[0].shape[p]);
  return one(out);
}

Result<Rearrangement> describe(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const auto perm, permutation_of(n));
  const auto strides = strides_of(n.in[0].shape);
  for (int p : perm)
    r.axes.push_back(SourceAxis::by_step(n.in[0].shape[p], strides[static_cast<size_t>(p)]));
  return r;
}

}  // namespace

const OpSpec& spec_TRANSPOSE() {
  static const OpSpec spec{
      .kind = OpKind::TRANSPOSE,
      .traits = kMovesAlone,
      .inputs = {2, 2},
      .infer = infer_transpose,
      .reference = {"reference", create_moved_reference<describe>},
      .fast = {{"xnnpack", create_transpose_xnnpack, cost::per_element<150>},
               {"copy-runs", create_moved<describe>, cost::per_element<300>}},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 5,
  };
  return spec;
}

}  // namespace octet
