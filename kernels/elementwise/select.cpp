// SELECT (a condition per element, per row or for all), SELECT_V2 (full broadcasting) and WHERE (positions).
#include "kernels/broadcast.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

// The condition of SELECT as a shape that broadcasts: a vector chooses rows.
Result<Shape> select_condition(const NodeDesc& n) {
  const Shape &c = n.in[0].shape, &x = n.in[1].shape;
  if (!(x == n.in[2].shape))
    return Status::corrupt(fmt::format("'{}' and '{}' must have the same shape", n.in[1].name, n.in[2].name));
  if (c == x || c.rank() == 0) return c;
  if (c.rank() == 1 && x.rank() >= 1 && c[0] == x[0]) {
    Shape rows = Shape::of_rank(x.rank());
    rows[0] = c[0];
    return rows;
  }
  if (c.elements() == 1) return Shape{};
  return Status::corrupt(
      fmt::format("a condition of shape {} does not choose among {}", c.to_string(), x.to_string()));
}

Result<InferredShapes> infer_select(const NodeDesc& n) {
  OCTET_TRY(select_condition(n).at(n.in[0].name).status());
  return one(n.in[1].shape);
}

Result<InferredShapes> infer_select_v2(const NodeDesc& n) {
  auto s = broadcast(n.in[1].shape, n.in[2].shape);
  if (s) s = broadcast(*s, n.in[0].shape);
  if (!s)
    return Status::invalid(fmt::format("shapes {}, {} and {} do not broadcast", n.in[0].shape.to_string(),
                                       n.in[1].shape.to_string(), n.in[2].shape.to_string()));
  return one(*s);
}

template <class T>
void block(const void* const* in, void* out, size_t n, const void*) {
  const auto* c = static_cast<const uint8_t*>(in[0]);
  const T *x = static_cast<const T*>(in[1]), *y = static_cast<const T*>(in[2]);
  T* o = static_cast<T*>(out);
  for (size_t i = 0; i < n; ++i)
    o[i] = c[i] != 0 ? x[i] : y[i];
}

struct Params {
  Affine x, y, out;
};
template <class T>
void requantizing_block(const void* const* in, void* out, size_t n, const void* params) {
  const Params& p = *static_cast<const Params*>(params);
  const auto* c = static_cast<const uint8_t*>(in[0]);
  const T *x = static_cast<const T*>(in[1]), *y = static_cast<const T*>(in[2]);
  T* o = static_cast<T*>(out);
  for (size_t i = 0; i < n; ++i)
    o[i] = quantize<T>(c[i] != 0 ? dequantize(x[i], p.x) : dequantize(y[i], p.y), p.out);
}

KernelResult create(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &x = n.in[1], &y = n.in[2], &out = n.out[0];
  if (n.in[0].dtype != DType::boolean) return unsupported_type(n.in[0]);
  if (x.dtype != y.dtype || out.dtype != x.dtype) return unsupported_type(y.dtype != x.dtype ? y : out);
  Shape condition = n.in[0].shape;
  if (n.kind == OpKind::SELECT) {
    OCTET_ASSIGN(condition, select_condition(n));
  }
  const Shape operands[] = {condition, x.shape, y.shape};
  const Broadcast plan(out.shape, operands);
  const auto size = static_cast<size_t>(bytes_of(x.dtype));
  Broadcast::BlockFn fn = nullptr;
  Params params;
  if (is_small_quantized(x.dtype) && !(x.quant == out.quant && y.quant == out.quant)) {
    OCTET_ASSIGN(params.x, affine_of(x));
    OCTET_ASSIGN(params.y, affine_of(y));
    OCTET_ASSIGN(params.out, affine_of(out));
    fn = x.dtype == DType::int8    ? requantizing_block<int8_t>
         : x.dtype == DType::uint8 ? requantizing_block<uint8_t>
                                   : requantizing_block<int16_t>;
  } else {
    switch (size) {
      case 1: fn = block<uint8_t>; break;
      case 2: fn = block<uint16_t>; break;
      case 4: fn = block<uint32_t>; break;
      case 8: fn = block<uint64_t>; break;
      default: return unsupported_type(x);
    }
  }
  return make_kernel([=](const RunArgs& args) -> Status {
    const size_t bytes[] = {1, size, size};
    plan.run(args.pool, args.in.first(3), bytes, args.out[0], size, fn, &params);
    return {};
  });
}

// ------------------------------------------------------------------------------------------------ WHERE

// Whether element i is not zero, for any numeric type.
template <class F>
Status visit_truth(const TensorDesc& t, const void* data, F f) {
  const auto n = static_cast<size_t>(t.elements());
  const auto visit = [&](auto zero) {
    const auto* x = static_cast<const decltype(zero)*>(data);
    for (size_t i = 0; i < n; ++i)
      if (x[i] != zero && !f(i)) return;
  };
  switch (t.dtype) {
    case DType::boolean:
    case DType::int8:
    case DType::uint8: visit(uint8_t{0}); return {};
    case DType::int16:
    case DType::uint16: visit(uint16_t{0}); return {};
    case DType::int32:
    case DType::uint32: visit(uint32_t{0}); return {};
    case DType::int64:
    case DType::uint64: visit(uint64_t{0}); return {};
    case DType::float32: visit(0.0f); return {};
    default: return unsupported_type(t);
  }
}

Result<InferredShapes> infer_where(const NodeDesc& n) {
  const TensorDesc& c = n.in[0];
  if (!c.is_known()) return InferredShapes::later();
  int64_t count = 0;
  OCTET_TRY(visit_truth(c, c.data, [&](size_t) {
    ++count;
    return true;
  }));
  if (count > INT32_MAX) return Status::exhausted("more positions than an extent can hold");
  return one(Shape{static_cast<int32_t>(count), c.shape.rank()});
}

KernelResult create_where(const NodeDesc& n, ThreadPool&) {
  if (n.out[0].dtype != DType::int64) return unsupported_type(n.out[0]);
  TensorDesc c = n.in[0];
  c.name = {};
  const auto room = static_cast<size_t>(n.out[0].shape[0]);
  return make_kernel([c, room](const RunArgs& args) -> Status {
    auto* out = static_cast<int64_t*>(args.out[0]);
    const auto stride = strides_of(c.shape);
    size_t row = 0;
    const auto rank = static_cast<size_t>(c.shape.rank());
    OCTET_TRY(visit_truth(c, args.in[0], [&](size_t i) {
      if (row == room) return false;
      auto rest = static_cast<int64_t>(i);
      for (size_t a = 0; a < rank; ++a) {
        out[row * rank + a] = rest / stride[a];
        rest %= stride[a];
      }
      ++row;
      return true;
    }));
    if (row != room) return Status::internal("WHERE: the number of positions changed after planning");
    return {};
  });
}

OpSpec make(OpKind kind, Traits traits, InferFn infer) {
  OpSpec s;
  s.kind = kind;
  s.traits = traits;
  s.inputs = {3, 3};
  s.infer = infer;
  s.reference = {"reference", create};
  s.quant = QuantRule::of({keep(), same_as_output(0), same_as_output(0)}, {activation()});
  s.rescales = true;
  s.sharing = Sharing::in_place;
  return s;
}

}  // namespace

const OpSpec& spec_SELECT() {
  static const OpSpec spec = read_by(make(OpKind::SELECT, Traits(), infer_select), kEveryForm, kNoForm);
  return spec;
}
const OpSpec& spec_SELECT_V2() {
  static const OpSpec spec = make(OpKind::SELECT_V2, Trait::elementwise, infer_select_v2);
  return spec;
}
const OpSpec& spec_WHERE() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::WHERE;
    s.infer = infer_where;
    s.reference = {"reference", create_where};
    s.quant = QuantRule::of({keep()}, {keep()});
    s.readers = {kEveryForm, kNoForm};
    s.notes = "positions of what is not zero; the shape is known at run time only";
    return s;
  }();
  return spec;
}

}  // namespace octet
