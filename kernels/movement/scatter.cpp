// SCATTER_ND: zeros with updates added at points. DENSIFY: a constant that is stored sparse.
#include <cstring>
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/movement/indices.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_scatter(const NodeDesc& n) {
  OCTET_TRY(check_index_type(n.in[0]));
  if (!n.in[2].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto dims, integers_of(n.in[2]));
  if (dims.size() > Shape::kMaxRank)
    return Status::unsupported(fmt::format("shape with {} axes", dims.size()));
  Shape out;
  for (int64_t d : dims) {
    const auto e = checked_cast<int32_t>(d);
    if (!e || *e < 0) return Status::corrupt(fmt::format("shape with extent {}", d));
    out.push_back(*e);
  }
  const Shape &indices = n.in[0].shape, &updates = n.in[1].shape;
  const int point = indices.rank() > 0 ? indices[-1] : -1;
  bool fits = point >= 0 && point <= out.rank() && updates.rank() == indices.rank() - 1 + out.rank() - point;
  for (int i = 0; fits && i < updates.rank(); ++i)
    fits = updates[i] == (i < indices.rank() - 1 ? indices[i] : out[i - (indices.rank() - 1) + point]);
  if (!fits)
    return Status::invalid(fmt::format("updates {} at indices {} do not fit into {}", updates.to_string(),
                                       indices.to_string(), out.to_string()));
  return one(out);
}

template <class T>
void add_run(void* dst, const void* src, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T& d = static_cast<T*>(dst)[i];
    // Unsigned arithmetic inside, so that integers wrap as in the reference implementation.
    if constexpr (std::is_same_v<T, bool>)
      d = d || static_cast<const T*>(src)[i];
    else if constexpr (std::is_integral_v<T>)
      d = static_cast<T>(static_cast<std::make_unsigned_t<T>>(d) +
                         static_cast<std::make_unsigned_t<T>>(static_cast<const T*>(src)[i]));
    else
      d += static_cast<const T*>(src)[i];
  }
}

using AddRun = void (*)(void*, const void*, int64_t);
AddRun adder_of(DType t) {
  switch (t) {
    case DType::float32: return add_run<float>;
    case DType::float64: return add_run<double>;
    case DType::int8: return add_run<int8_t>;
    case DType::uint8: return add_run<uint8_t>;
    case DType::int16: return add_run<int16_t>;
    case DType::int32: return add_run<int32_t>;
    case DType::uint32: return add_run<uint32_t>;
    case DType::int64: return add_run<int64_t>;
    case DType::boolean: return add_run<bool>;
    default: return nullptr;
  }
}

KernelResult create_scatter(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n, 1));
  const AddRun add = adder_of(n.in[1].dtype);
  if (add == nullptr) return Status::unsupported(fmt::format("{} updates", name_of(n.in[1].dtype)));
  const Shape indices = n.in[0].shape, out = n.out[0].shape;
  const int point = indices[-1];
  const int64_t run = out.elements(point, out.rank());
  return make_kernel([=, type = n.in[0].dtype](const RunArgs& args) -> Status {
    const IndexReader index{type, args.in[0]};
    auto* dst = static_cast<std::byte*>(args.out[0]);
    const auto* src = static_cast<const std::byte*>(args.in[1]);
    std::memset(dst, 0, static_cast<size_t>(out.elements()) * element);
    const int64_t points = indices.elements(0, indices.rank() - 1);
    for (int64_t i = 0; i < points; ++i) {
      int64_t at = 0;
      for (int k = 0; k < point; ++k) {
        const int64_t v = index[i * point + k];
        OCTET_TRY(check_index(v, out[k]));
        at = at * out[k] + v;
      }
      add(dst + at * run * static_cast<int64_t>(element), src + i * run * static_cast<int64_t>(element), run);
    }
    return {};
  });
}

// The reader hands over constants dense, so nothing is left to do here.
KernelResult create_densify(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(moved_element(n).status());
  return make_kernel([bytes = n.in[0].bytes()](const RunArgs& args) -> Status {
    copy_unless_shared(args.out[0], args.in[0], bytes, args.pool);
    return {};
  });
}

}  // namespace

const OpSpec& spec_SCATTER_ND() {
  static const OpSpec spec{
      .kind = OpKind::SCATTER_ND,
      .inputs = {3, 3},
      .infer = infer_scatter,
      .reference = {"reference", create_scatter},
      .quant = QuantRule::none("adds stored integers, so a zero point would count more than once"),
      .readers = {kEveryForm, kNoForm},
      .notes = "points named twice add up",
  };
  return spec;
}

const OpSpec& spec_DENSIFY() {
  static const OpSpec spec{
      .kind = OpKind::DENSIFY,
      .traits = kMovesAlone,
      .infer = infer_same,
      .reference = {"reference", create_densify},
      .quant = QuantRule::of({activation()}, {same_as_input(0)}),
      .sharing = Sharing::view,
      .readers = {kEveryForm, kNoForm},
      .notes = "of constants only",
  };
  return spec;
}

}  // namespace octet
