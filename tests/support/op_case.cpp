#include "tests/support/op_case.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <random>

#include "kernels/node_runner.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "schema/core/int_range.hpp"

namespace octet::test {
namespace {

constexpr size_t kSlack = 64;

template <class F>
void with_type(DType t, F f) {
  switch (t) {
    case DType::float32: return f(float{});
    case DType::float64: return f(double{});
    case DType::int8: return f(int8_t{});
    case DType::uint8: return f(uint8_t{});
    case DType::int16: return f(int16_t{});
    case DType::int32: return f(int32_t{});
    case DType::int64: return f(int64_t{});
    case DType::uint32: return f(uint32_t{});
    case DType::boolean: return f(bool{});
    default: std::abort();
  }
}

std::vector<std::byte> store(DType t, const std::vector<double>& v) {
  std::vector<std::byte> out(v.size() * static_cast<size_t>(bytes_of(t)) + kSlack);
  with_type(t, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < v.size(); ++i) {
      const T x = static_cast<T>(v[i]);
      std::memcpy(out.data() + i * sizeof(T), &x, sizeof(T));
    }
  });
  return out;
}

// Parameters for [lo, hi] extended to contain 0: asymmetric in int8 or uint8, symmetric in int16.
Affine affine_for(double lo, double hi, DType t) {
  lo = std::min(lo, 0.0);
  hi = std::max(hi, 0.0);
  if (hi - lo < 1e-6) hi = lo + 1;
  if (t == DType::int16) return {static_cast<float>(std::max(-lo, hi) / 32767), 0};
  const IntRange r = range_of(t);
  const double scale = (hi - lo) / static_cast<double>(r.hi - r.lo);
  return {static_cast<float>(scale),
          static_cast<int64_t>(round_even(static_cast<double>(r.lo) - lo / scale))};
}

Affine affine_for(const std::vector<double>& v, DType t) {
  double lo = 0, hi = 0;
  for (double x : v) {
    if (!std::isfinite(x)) continue;
    lo = std::min(lo, x);
    hi = std::max(hi, x);
  }
  return affine_for(lo, hi, t);
}

// Quantize real values with the parameters of `t` and keep what the integers stand for.
void quantize_into(TensorDesc& t, std::vector<double>& real, std::vector<std::byte>& bytes, double lo,
                   double hi) {
  std::vector<double> q(real.size());
  const int64_t inner = t.quant.is_per_channel() ? t.shape.elements(*t.quant.axis() + 1, t.shape.rank()) : 1;
  const int64_t channels = t.quant.is_per_channel() ? t.shape[*t.quant.axis()] : 1;
  for (size_t i = 0; i < real.size(); ++i) {
    const Affine& a = t.quant.at(static_cast<size_t>(static_cast<int64_t>(i) / inner % channels));
    q[i] = static_cast<double>(quantize<int32_t>(real[i], a, lo, hi));
    real[i] = static_cast<double>(a.scale) * (q[i] - static_cast<double>(a.zero_point));
  }
  bytes = store(t.dtype, q);
}

Quantization weights_quant(const TensorDesc& t, const std::vector<double>& real, int axis) {
  const int64_t inner = axis >= 0 ? t.shape.elements(axis + 1, t.shape.rank()) : 1;
  const int64_t channels = axis >= 0 ? t.shape[axis] : 1;
  std::vector<double> peak(static_cast<size_t>(channels), 1e-6);
  for (size_t i = 0; i < real.size(); ++i) {
    double& p = peak[static_cast<size_t>(static_cast<int64_t>(i) / inner % channels)];
    p = std::max(p, std::fabs(real[i]));
  }
  std::vector<Affine> params;
  for (double p : peak)
    params.push_back({static_cast<float>(p / 127.0), 0});
  return axis >= 0 ? Quantization::per_channel(axis, params) : Quantization::per_tensor(params[0]);
}

// What the operator dictates; with uint8 that of int8, shifted.
Affine fixed_params(const TensorRule& r, DType activations) {
  Affine a = fixed_under(r, activations);
  if (activations == DType::uint8) a.zero_point += 128;
  return a;
}

Status quantize_inputs(Prepared& p, const QuantRule& rule, DType activation_type) {
  const IntRange range = range_of(activation_type);
  auto each = [&](auto&& f) -> Status {
    for (size_t i = 0; i < p.in.size(); ++i)
      if (!p.in[i].absent && p.in[i].dtype == DType::float32) OCTET_TRY(f(i, rule.input(i)));
    return {};
  };
  const Values original = p.real;  // quantize_into() changes them one by one
  // Biases and same_as_* need the others first.
  OCTET_TRY(each([&](size_t i, const TensorRule& r) -> Status {
    TensorDesc& t = p.in[i];
    switch (r.kind) {
      case TensorRule::Kind::activation:
        t.quant = Quantization::per_tensor(affine_for(p.real[i], activation_type));
        break;
      case TensorRule::Kind::fixed:
        t.quant = Quantization::per_tensor(fixed_params(r, activation_type));
        break;
      case TensorRule::Kind::weights:
        t.quant = weights_quant(t, p.real[i], activation_type == DType::uint8 ? -1 : r.a);
        if (activation_type == DType::uint8)
          t.quant = Quantization::per_tensor({t.quant.scale(), 128 + (t.quant.scale() > 0.005f ? 3 : 0)});
        break;
      case TensorRule::Kind::same_as_output: {
        // A common range of all inputs with this rule.
        std::vector<double> all;
        for (size_t j = 0; j < p.in.size(); ++j)
          if (rule.input(j).kind == TensorRule::Kind::same_as_output)
            all.insert(all.end(), original[j].begin(), original[j].end());
        t.quant = Quantization::per_tensor(affine_for(all, activation_type));
        break;
      }
      default: return {};
    }
    const bool weights = r.kind == TensorRule::Kind::weights;
    t.dtype = weights && activation_type == DType::int16 ? DType::int8 : activation_type;
    const IntRange own = range_of(t.dtype);
    const bool symmetric = weights && t.dtype == DType::int8;
    quantize_into(t, p.real[i], p.bytes[i], static_cast<double>(symmetric ? -127 : own.lo),
                  static_cast<double>(own.hi));
    return {};
  }));
  OCTET_TRY(each([&](size_t i, const TensorRule& r) -> Status {
    TensorDesc& t = p.in[i];
    if (r.kind == TensorRule::Kind::same_as_input) {
      t.quant = p.in[static_cast<size_t>(r.a)].quant;
      t.dtype = activation_type;
      quantize_into(t, p.real[i], p.bytes[i], static_cast<double>(range.lo), static_cast<double>(range.hi));
    } else if (r.kind == TensorRule::Kind::bias) {
      const Quantization& w = p.in[static_cast<size_t>(r.b)].quant;
      std::vector<Affine> params;
      for (const Affine& a : w.params())
        params.push_back({p.in[static_cast<size_t>(r.a)].quant.scale() * a.scale, 0});
      t.quant =
          w.is_per_channel() ? Quantization::per_channel(0, params) : Quantization::per_tensor(params[0]);
      t.dtype = dtype_under(r, activation_type);
      quantize_into(t, p.real[i], p.bytes[i], -2147483648.0, 2147483647.0);
    }
    return {};
  }));
  return {};
}

}  // namespace

std::vector<double> to_raw(const TensorDesc& t, const std::vector<std::byte>& bytes) {
  std::vector<double> v(static_cast<size_t>(t.shape.elements()));
  with_type(t.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < v.size(); ++i) {
      T x;
      std::memcpy(&x, bytes.data() + i * sizeof(T), sizeof(T));
      v[i] = static_cast<double>(x);
    }
  });
  return v;
}

std::vector<double> to_real(const TensorDesc& t, const std::vector<std::byte>& bytes) {
  std::vector<double> v = to_raw(t, bytes);
  if (t.quant)
    for (double& x : v)
      x = static_cast<double>(t.quant.scale()) * (x - static_cast<double>(t.quant.zero_point()));
  return v;
}

Result<Prepared> prepare(const OpCase& c, Form form) {
  Prepared p;
  p.kind = c.kind;
  p.attrs = c.attrs;
  const OpSpec* spec = find_spec(c.kind);
  std::seed_seq seed(c.name.begin(), c.name.end());
  std::mt19937 rng(seed);
  p.names.reserve(c.inputs.size() + c.outputs.size());
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const CaseTensor& ct = c.inputs[i];
    p.names.push_back(fmt::format("in{}", i));
    TensorDesc t{.name = p.names.back(),
                 .dtype = ct.dtype,
                 .shape = ct.shape,
                 .quant = {},
                 .absent = ct.absent,
                 .is_variable = ct.variable};
    std::vector<double> v = ct.values;
    if (!ct.absent && v.empty()) {
      v.resize(static_cast<size_t>(ct.shape.elements()));
      for (double& x : v) {
        // Generator output used directly: distributions differ between standard libraries.
        x = ct.lo + (ct.hi - ct.lo) * (static_cast<double>(rng()) / 4294967296.0);
        if (ct.dtype == DType::float32) x = static_cast<double>(static_cast<float>(x));
        if (!is_float(ct.dtype)) x = std::floor(x);
      }
    }
    if (!ct.absent && static_cast<int64_t>(v.size()) != ct.shape.elements())
      return Status::internal(
          fmt::format("{}: input {} has {} values for {}", c.name, i, v.size(), ct.shape.to_string()));
    p.bytes.push_back(ct.absent ? std::vector<std::byte>() : store(ct.dtype, v));
    p.real.push_back(std::move(v));
    p.in.push_back(t);
  }
  auto know_constants = [&] {
    for (size_t i = 0; i < p.in.size(); ++i)
      if (c.inputs[i].constant) p.in[i].data = p.bytes[i].data();
  };
  know_constants();
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    p.names.push_back(fmt::format("out{}", i));
    p.out.push_back({.name = p.names.back(), .dtype = c.outputs[i], .shape = {}, .quant = {}});
  }
  auto shapes = infer_shapes(*spec, p.node());
  if (!shapes.ok()) return std::move(shapes).status();
  if (shapes->deferred) return Status::internal(c.name + ": shapes deferred");
  for (size_t i = 0; i < p.out.size(); ++i)
    p.out[i].shape = shapes->shapes[i];
  if (form == Form::float32) return p;
  if (!spec->quant.has_int8) return Status::unsupported(c.name + ": no int8 form");

  // Output ranges come from the float result on the float inputs.
  Values expect;
  if (c.oracle) {
    expect = c.oracle(p.node(), p.real);
  } else {
    OCTET_ASSIGN(const auto out, run(p, spec->reference, 1));
    for (size_t i = 0; i < out.size(); ++i)
      expect.push_back(to_real(p.out[i], out[i]));
  }
  const DType type = form == Form::int8 ? DType::int8 : form == Form::uint8 ? DType::uint8 : DType::int16;
  OCTET_TRY(quantize_inputs(p, spec->quant, type));
  know_constants();
  for (size_t i = 0; i < p.out.size(); ++i) {
    TensorDesc& t = p.out[i];
    if (t.dtype != DType::float32) continue;
    const TensorRule& r = spec->quant.output(i);
    if (r.kind == TensorRule::Kind::keep) continue;
    t.dtype = type;
    if (r.kind == TensorRule::Kind::same_as_input) {
      t.quant = p.in[static_cast<size_t>(r.a)].quant;
    } else if (r.kind == TensorRule::Kind::fixed) {
      t.quant = Quantization::per_tensor(fixed_params(r, type));
    } else {
      t.quant = Quantization::per_tensor(affine_for(expect[i], type));
      for (size_t j = 0; j < p.in.size(); ++j)  // concatenation and its like: one range for all
        if (spec->quant.input(j).kind == TensorRule::Kind::same_as_output && p.in[j].quant)
          t.quant = p.in[j].quant;
    }
  }
  return p;
}

// Threads are made once, not for each of the many thousand runs.
static ThreadPool& pool_of(int threads) {
  static std::map<int, ThreadPool> pools;
  return pools.try_emplace(threads, threads).first->second;
}

Result<std::vector<std::vector<std::byte>>> run(const Prepared& p, const Implementation& impl, int threads) {
  ThreadPool& pool = pool_of(threads);
  OCTET_ASSIGN(auto kernel, impl.create(p.node(), pool));
  std::vector<const void*> in;
  std::vector<std::vector<std::byte>> states;
  states.reserve(p.in.size());  // pointers into it stay
  for (size_t i = 0; i < p.in.size(); ++i) {
    if (p.in[i].is_variable) states.push_back(p.bytes[i]);
    in.push_back(p.in[i].absent ? nullptr : p.in[i].is_variable ? states.back().data() : p.bytes[i].data());
  }
  std::vector<std::vector<std::byte>> out;
  std::vector<void*> out_pointers;
  for (const TensorDesc& t : p.out) {
    out.emplace_back(static_cast<size_t>(t.bytes()) + kSlack, std::byte{0x5a});
    out_pointers.push_back(out.back().data());
  }
  Workspace workspace;
  OCTET_TRY(run_kernel(*kernel, in, out_pointers, workspace, pool));
  for (size_t i = 0; i < out.size(); ++i)
    for (size_t j = static_cast<size_t>(p.out[i].bytes()); j < out[i].size(); ++j)
      if (out[i][j] != std::byte{0x5a})
        return Status::internal(fmt::format("{} wrote behind output {}", impl.name, i));
  return out;
}

}  // namespace octet::test
