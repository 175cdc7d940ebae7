// MEAN, SUM and the REDUCE_* operators: shapes, reference_reduce kernel, specs.
#include "kernels/reduce/reduce.hpp"

#include <algorithm>

#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"

namespace octet {

Result<uint32_t> reduction_axes(const NodeDesc& n) {
  OCTET_ASSIGN(const auto axes, integers_of(n.in[1]));
  uint32_t bits = 0;
  for (int64_t a : axes) {
    const auto axis = normalize_axis(a, n.in[0].shape.rank());
    if (!axis) return Status::corrupt(fmt::format("axis {} is outside of rank {}", a, n.in[0].shape.rank()));
    bits |= 1u << *axis;
  }
  return bits;
}

ReducePlan plan_reduction(const Shape& input, uint32_t axes) {
  ReducePlan p;
  size_t stride = 1;
  for (int a = input.rank() - 1; a >= 0; --a) {
    const auto extent = static_cast<size_t>(input[a]);
    const bool reduced = (axes >> a & 1) != 0;
    (reduced ? p.reduced : p.kept) *= extent;
    if (extent != 1) {
      if (!p.groups.empty() && p.groups.front().reduced == reduced)
        p.groups.front().extent *= extent;
      else
        p.groups.insert(p.groups.begin(), {extent, stride, reduced});
    }
    stride *= extent;
  }
  return p;
}

std::optional<ReducePlan::Simple> ReducePlan::simple() const {
  size_t outer = 1, inner = 1;
  bool seen = false;
  for (const Group& g : groups) {
    if (g.reduced && seen) return std::nullopt;
    if (g.reduced)
      seen = true;
    else
      (seen ? inner : outer) *= g.extent;
  }
  if (!seen) return Simple{1, kept};
  return Simple{outer, inner};
}

namespace {

Result<InferredShapes> infer_reduce(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const uint32_t axes, reduction_axes(n));
  const bool keep_dims = n.attr<ReduceAttrs>().keep_dims;
  Shape out;
  for (int a = 0; a < in.rank(); ++a) {
    if ((axes >> a & 1) == 0)
      out.push_back(in[a]);
    else if (keep_dims)
      out.push_back(1);
  }
  return one(out);
}

// out[o] = finish(fold of step over the elements behind o, from init).
template <class T, class Tout, class Acc, class Step, class Finish>
std::unique_ptr<Kernel> fold_kernel(const ReducePlan& plan, Acc init, Step step, Finish finish) {
  return make_kernel([=](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    Tout* out = static_cast<Tout*>(args.out[0]);
    args.pool.for_range(plan.kept, 1 + 4096 / (plan.reduced + 1), [&](size_t begin, size_t end) {
      for (size_t o = begin; o < end; ++o) {
        size_t base = 0, rest = o;
        for (size_t g = plan.groups.size(); g-- > 0;)
          if (!plan.groups[g].reduced) {
            base += rest % plan.groups[g].extent * plan.groups[g].stride;
            rest /= plan.groups[g].extent;
          }
        Acc acc = init;
        for (size_t r = 0; r < plan.reduced; ++r) {
          size_t at = base, part = r;
          for (size_t g = plan.groups.size(); g-- > 0;)
            if (plan.groups[g].reduced) {
              at += part % plan.groups[g].extent * plan.groups[g].stride;
              part /= plan.groups[g].extent;
            }
          acc = step(acc, in[at]);
        }
        out[o] = finish(acc);
      }
    });
    return {};
  });
}

uint64_t wrap(int64_t x) {
  return static_cast<uint64_t>(x);
}

template <class T>
KernelResult integer_reference(OpKind kind, const ReducePlan& p) {
  const auto count = static_cast<int64_t>(p.reduced);
  const auto cast = [](uint64_t v) { return static_cast<T>(v); };
  switch (kind) {
    case OpKind::SUM:
      return fold_kernel<T, T>(p, uint64_t{0}, [](uint64_t a, T x) { return a + wrap(x); }, cast);
    case OpKind::REDUCE_PROD:
      return fold_kernel<T, T>(p, uint64_t{1}, [](uint64_t a, T x) { return a * wrap(x); }, cast);
    case OpKind::MEAN:
      return fold_kernel<T, T>(
          p, uint64_t{0}, [](uint64_t a, T x) { return a + wrap(x); },
          [count](uint64_t v) {
            return count == 0 ? T{0} : static_cast<T>(static_cast<int64_t>(v) / count);
          });
    case OpKind::REDUCE_MAX:
      return fold_kernel<T, T>(
          p, std::numeric_limits<T>::min(), [](T a, T x) { return std::max(a, x); }, [](T a) { return a; });
    default:
      return fold_kernel<T, T>(
          p, std::numeric_limits<T>::max(), [](T a, T x) { return std::min(a, x); }, [](T a) { return a; });
  }
}

KernelResult float_reference(OpKind kind, const ReducePlan& p) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const auto plus = [](double a, float x) { return a + static_cast<double>(x); };
  const auto count = static_cast<double>(p.reduced);
  const auto narrow = [](double v) { return static_cast<float>(v); };
  switch (kind) {
    case OpKind::SUM: return fold_kernel<float, float>(p, 0.0, plus, narrow);
    case OpKind::MEAN:
      return fold_kernel<float, float>(p, 0.0, plus,
                                       [count](double v) { return static_cast<float>(v / count); });
    case OpKind::REDUCE_PROD:
      return fold_kernel<float, float>(
          p, 1.0, [](double a, float x) { return a * static_cast<double>(x); }, narrow);
    case OpKind::REDUCE_MAX:
      return fold_kernel<float, float>(
          p, -inf, [](double a, float x) { return std::max(a, static_cast<double>(x)); }, narrow);
    default:
      return fold_kernel<float, float>(
          p, inf, [](double a, float x) { return std::min(a, static_cast<double>(x)); }, narrow);
  }
}

// Exact sums of integers, products of reals, extremes of integers; then (Q2).
template <class T>
KernelResult quantized_reference(OpKind kind, const ReducePlan& p, const Affine& in, const Affine& out) {
  const auto count = static_cast<double>(p.reduced);
  const auto requantized = [in, out](T q) { return quantize<T>(dequantize(q, in), out); };
  switch (kind) {
    case OpKind::SUM:
    case OpKind::MEAN: {
      const double divisor = kind == OpKind::MEAN ? count : 1.0;
      const auto zeros = static_cast<int64_t>(p.reduced) * in.zero_point;
      return fold_kernel<T, T>(
          p, int64_t{0}, [](int64_t a, T x) { return a + x; },
          [=](int64_t sum) {
            const double real = static_cast<double>(in.scale) * static_cast<double>(sum - zeros) / divisor;
            return quantize<T>(real, out);
          });
    }
    case OpKind::REDUCE_PROD:
      return fold_kernel<T, T>(
          p, 1.0, [in](double a, T x) { return a * dequantize(x, in); },
          [out](double v) { return quantize<T>(v, out); });
    case OpKind::REDUCE_MAX:
      return fold_kernel<T, T>(
          p, std::numeric_limits<T>::min(), [](T a, T x) { return std::max(a, x); }, requantized);
    default:
      return fold_kernel<T, T>(
          p, std::numeric_limits<T>::max(), [](T a, T x) { return std::min(a, x); }, requantized);
  }
}

KernelResult reference_reduce(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  OCTET_ASSIGN(const uint32_t axes, reduction_axes(n));
  const ReducePlan p = plan_reduction(in.shape, axes);
  if (n.kind == OpKind::REDUCE_ANY || n.kind == OpKind::REDUCE_ALL) {
    if (in.dtype != DType::boolean) return unsupported_type(in);
    const auto same = [](bool v) { return v; };
    if (n.kind == OpKind::REDUCE_ANY)
      return fold_kernel<uint8_t, bool>(p, false, [](bool a, uint8_t x) { return a || x != 0; }, same);
    return fold_kernel<uint8_t, bool>(p, true, [](bool a, uint8_t x) { return a && x != 0; }, same);
  }
  if (in.dtype == DType::float32) return float_reference(n.kind, p);
  if (is_small_quantized(in.dtype) && !in.quant.empty()) {
    OCTET_ASSIGN(const Affine a, affine_of(in));
    OCTET_ASSIGN(const Affine b, affine_of(out));
    return dispatch<int8_t, uint8_t, int16_t>(in.dtype, unsupported_type(in), [&](auto type) {
      return quantized_reference<typename decltype(type)::type>(n.kind, p, a, b);
    });
  }
  return dispatch<int8_t, uint8_t, int16_t, int32_t, int64_t>(in.dtype, unsupported_type(in), [&](auto type) {
    return integer_reference<typename decltype(type)::type>(n.kind, p);
  });
}

OpSpec make(OpKind kind, Traits traits, QuantRule quant, int version_int8, int version_int16,
            OtherReaders readers, std::string_view notes = {}) {
  OpSpec s;
  s.kind = kind;
  s.traits = Trait::reduces | traits;
  s.inputs = {2, 2};
  s.infer = infer_reduce;
  s.reference = {"reference", reference_reduce};
  if (kind != OpKind::REDUCE_ANY && kind != OpKind::REDUCE_ALL && kind != OpKind::REDUCE_PROD)
    s.fast = {{"lane-sums", reduce_lanes, cost::per_element<100>}};
  s.quant = std::move(quant);
  s.version_int8 = version_int8;
  s.version_int16 = version_int16;
  s.readers = readers;
  s.rescales = true;
  s.notes = notes;
  return s;
}
QuantRule rule(TensorRule out) {
  return QuantRule::of({activation(), keep()}, {out});
}

}  // namespace

#define OCTET_REDUCE(kind, ...)                                 \
  const OpSpec& spec_##kind() {                                 \
    static const OpSpec spec = make(OpKind::kind, __VA_ARGS__); \
    return spec;                                                \
  }
OCTET_REDUCE(MEAN, Trait::homogeneous | Trait::monotone, rule(activation()), 2, 3, {})
OCTET_REDUCE(SUM, Trait::homogeneous | Trait::monotone, rule(activation()), 2, 2, {kFloatAndInt8, kEveryForm})
OCTET_REDUCE(REDUCE_MAX, Trait::homogeneous | Trait::monotone, rule(same_as_input(0)), 2, 3,
             {kEveryForm, kFloatAndInt8})
OCTET_REDUCE(REDUCE_MIN, Trait::homogeneous | Trait::monotone, rule(same_as_input(0)), 2, 3,
             {kEveryForm, kFloatAndInt8})
OCTET_REDUCE(REDUCE_PROD, Traits(), rule(activation()), 2, 2, {kFloatAndInt8, kNoForm})
OCTET_REDUCE(REDUCE_ANY, Traits(), QuantRule::of({keep()}, {keep()}), 1, 1, {kEveryForm, kNoForm},
             "bool only")
OCTET_REDUCE(REDUCE_ALL, Traits(), QuantRule::of({keep()}, {keep()}), 1, 1, {}, "bool only")
#undef OCTET_REDUCE

}  // namespace octet
