// CONCATENATION. Inputs whose quantization differs from the output's are requantized on the way, with a table
// for 8-bit data: models made by other tools have them.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <functional>

#include "kernels/infer.hpp"
#include "kernels/movement/parts.hpp"
#include "kernels/movement/rearrange.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_concatenation(const NodeDesc& n) {
  Shape out = n.in[0].shape;
  const auto axis = normalize_axis(n.attr<ConcatAttrs>().axis, out.rank());
  if (!axis)
    return Status::corrupt(
        fmt::format("axis {} is out of range for {}", n.attr<ConcatAttrs>().axis, out.to_string()));
  int64_t extent = 0;
  for (const TensorDesc& t : n.in) {
    if (t.absent) return Status::corrupt("an input is absent");
    bool fits = t.shape.rank() == out.rank();
    for (int i = 0; fits && i < out.rank(); ++i)
      fits = i == *axis || t.shape[i] == n.in[0].shape[i];
    if (!fits)
      return Status::invalid(fmt::format("shapes {} and {} do not go together along axis {}",
                                         n.in[0].shape.to_string(), t.shape.to_string(), *axis));
    extent += t.shape[*axis];  // arity bounds the sum far below overflow
  }
  const auto d = checked_cast<int32_t>(extent);
  if (!d) return Status::corrupt("the joined extent overflows");
  out[*axis] = *d;
  return one(out);
}

Result<Parts> parts_of(const NodeDesc& n) {
  const auto axis = normalize_axis(n.attr<ConcatAttrs>().axis, n.out[0].shape.rank());
  if (!axis) return Status::corrupt("axis is out of range");
  Parts p{.outer = n.out[0].shape.elements(0, *axis)};
  for (size_t i = 0; i < n.in.size(); ++i) {
    OCTET_ASSIGN(const size_t element, moved_element(n, i));
    p.add(n.in[i].shape.elements(*axis, n.in[i].shape.rank()) * static_cast<int64_t>(element));
  }
  return p;
}

bool same_quantization(const Quantization& a, const Quantization& b) {
  return a.empty() || b.empty() || (a.scale() == b.scale() && a.zero_point() == b.zero_point());
}

bool needs_arithmetic(const NodeDesc& n, size_t i) {
  return !n.attr<ConcatAttrs>().act.none() || !same_quantization(n.in[i].quant, n.out[0].quant);
}

SliceLayout slice_of(const NodeDesc& n) {
  SliceLayout layout;
  const auto p = parts_of(n);
  if (!p.ok()) return layout;
  layout.offset = contiguous_parts(*p);
  for (size_t i = 0; i < layout.offset.size(); ++i)
    if (needs_arithmetic(n, i)) layout.offset[i].reset();
  return layout;
}

// out = clamp(round_even((q - zp_in) * s_in / s_out) + zp_out)
template <class T>
T convert(T q, const Affine& from, const Affine& to, const QuantBounds& b) {
  const double ratio = static_cast<double>(from.scale) / static_cast<double>(to.scale);
  const double v = round_even((static_cast<double>(q) - static_cast<double>(from.zero_point)) * ratio);
  return saturate<T>(v + static_cast<double>(to.zero_point), b.lo, b.hi);
}

// f(const std::byte* from, std::byte* to, int64_t bytes) converts one run.
using ConvertFn = std::function<void(const std::byte*, std::byte*, int64_t)>;

template <class T>
ConvertFn converter(const NodeDesc& n, size_t i) {
  const Affine from = n.in[i].quant.at(), to = n.out[0].quant.at();
  const QuantBounds b = bounds_of(n.attr<ConcatAttrs>().act, n.out[0].dtype, to);
  if constexpr (sizeof(T) == 1) {
    std::array<std::byte, 256> table{};
    for (int v = 0; v < 256; ++v)
      table[static_cast<size_t>(v)] =
          static_cast<std::byte>(convert<T>(static_cast<T>(static_cast<uint8_t>(v)), from, to, b));
    return [table](const std::byte* src, std::byte* dst, int64_t bytes) {
      for (int64_t k = 0; k < bytes; ++k)
        dst[k] = table[std::to_integer<size_t>(src[k])];
    };
  } else {
    return [from, to, b](const std::byte* src, std::byte* dst, int64_t bytes) {
      for (int64_t k = 0; k < bytes; k += static_cast<int64_t>(sizeof(T))) {
        T v;
        std::memcpy(&v, src + k, sizeof v);
        v = convert<T>(v, from, to, b);
        std::memcpy(dst + k, &v, sizeof v);
      }
    };
  }
}

Result<ConvertFn> converter_of(const NodeDesc& n, size_t i) {
  if (!needs_arithmetic(n, i)) return ConvertFn();
  const bool quantized = n.in[i].quant && n.out[0].quant;
  switch (n.in[i].dtype) {
    case DType::int8:
      if (quantized) return converter<int8_t>(n, i);
      break;
    case DType::uint8:
      if (quantized) return converter<uint8_t>(n, i);
      break;
    case DType::int16:
      if (quantized) return converter<int16_t>(n, i);
      break;
    case DType::float32:
      return ConvertFn(
          [act = n.attr<ConcatAttrs>().act](const std::byte* src, std::byte* dst, int64_t bytes) {
            for (int64_t k = 0; k < bytes; k += 4) {
              float v;
              std::memcpy(&v, src + k, sizeof v);
              v = apply(act, v);
              std::memcpy(dst + k, &v, sizeof v);
            }
          });
    default: break;
  }
  return Status::unsupported(
      fmt::format("{} data with a fused activation or differing quantization", name_of(n.in[i].dtype)));
}

KernelResult create_concatenation(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Parts parts, parts_of(n));
  std::vector<ConvertFn> convert;
  for (size_t i = 0; i < n.in.size(); ++i) {
    OCTET_ASSIGN(ConvertFn c, converter_of(n, i));
    convert.push_back(std::move(c));
  }
  return make_kernel([p = std::move(parts), convert = std::move(convert)](const RunArgs& args) -> Status {
    auto* whole = static_cast<std::byte*>(args.out[0]);
    for (size_t i = 0; i < p.bytes.size(); ++i) {
      if (!convert[i]) {
        copy_part_in(p, i, whole, args.in[i], args.pool);
        continue;
      }
      const auto* part = static_cast<const std::byte*>(args.in[i]);
      for (int64_t r = 0; r < p.outer; ++r)
        convert[i](part + r * p.bytes[i], whole + r * p.row_bytes + p.offset[i], p.bytes[i]);
    }
    return {};
  });
}

}  // namespace

const OpSpec& spec_CONCATENATION() {
  static const OpSpec spec{
      .kind = OpKind::CONCATENATION,
      .traits = Trait::moves | Trait::monotone,
      .inputs = {1, -1},
      .infer = infer_concatenation,
      .reference = {"reference", create_concatenation},
      .quant = QuantRule::of({same_as_output(0)}, {activation()}),
      .sharing = Sharing::slices,
      .slice_of = slice_of,
      .version_int8 = 2,
      .version_int16 = 3,
      .rescales = true,
      .notes = "inputs along the first non-unit axis are written in place by their producers",
  };
  return spec;
}

}  // namespace octet
