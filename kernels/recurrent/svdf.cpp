// SVDF: a bank of filters, each a feature vector and a time vector (a rank-1 convolution over the past).
//   state[f] = the last `memory` values of  feature[f] . x
//   y[u]     = act(bias[u] + sum over the unit's `rank` filters f of  time[f] . state[f])
// Float, int8 feature weights with float activations, and integer with an int16 or int8 state.
#include <cstring>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

enum SvdfInput : uint8_t { kSvdfX, kSvdfFeature, kSvdfTime, kSvdfBias, kSvdfState };

struct Sizes {
  int64_t batch = 0, n = 0, filters = 0, memory = 0, units = 0, rank = 0;
};

Result<Sizes> sizes_of(const NodeDesc& n) {
  if (n.in.size() != 5) return Status::corrupt(fmt::format("has {} inputs", n.in.size()));
  const Shape &x = n.in[kSvdfX].shape, &feature = n.in[kSvdfFeature].shape, &time = n.in[kSvdfTime].shape;
  const int64_t rank = n.attr<SvdfAttrs>().rank;
  if (x.rank() != 2 || feature.rank() != 2 || time.rank() != 2 || feature[1] != x[1] || time[0] != feature[0])
    return Status::corrupt(fmt::format("input {}, features {} and times {} do not go together", x.to_string(),
                                       feature.to_string(), time.to_string()));
  if (rank < 1 || feature[0] % rank != 0)
    return Status::corrupt(fmt::format("{} filters of rank {}", feature[0], rank));
  if (time[1] < 1) return Status::corrupt("a memory of nothing");
  Sizes s{.batch = x[0],
          .n = x[1],
          .filters = feature[0],
          .memory = time[1],
          .units = feature[0] / rank,
          .rank = rank};
  if (const TensorDesc* bias = n.optional_input(kSvdfBias); bias != nullptr && bias->elements() != s.units)
    return Status::corrupt(fmt::format("bias is {} for {} units", bias->shape.to_string(), s.units));
  OCTET_TRY(check_state(n.in[kSvdfState], s.batch * s.filters * s.memory));
  return s;
}

Result<InferredShapes> infer_svdf(const NodeDesc& n) {
  OCTET_ASSIGN(const Sizes s, sizes_of(n));
  return one({static_cast<int32_t>(s.batch), static_cast<int32_t>(s.units)});
}

template <bool in_double>
KernelResult create_float(const NodeDesc& n, const Sizes& s) {
  OCTET_ASSIGN(const Rows feature, rows_of(n, kSvdfFeature, s.n));
  OCTET_ASSIGN(const Rows time, rows_of(n, kSvdfTime, s.memory));
  if (n.in[kSvdfState].dtype != DType::float32 || n.out[0].dtype != DType::float32 ||
      (n.has_input(kSvdfBias) && n.in[kSvdfBias].dtype != DType::float32))
    return Status::unsupported("a float SVDF with an integer state, bias or output");
  return make_kernel(
      [=, act = n.attr<SvdfAttrs>().act, has_bias = n.has_input(kSvdfBias)](const RunArgs& args) -> Status {
        float* state = state_of<float>(args, kSvdfState);
        for (int64_t b = 0; b < s.batch; ++b) {
          const float* x = static_cast<const float*>(args.in[kSvdfX]) + b * s.n;
          float* past = state + b * s.filters * s.memory;
          float* y = static_cast<float*>(args.out[0]) + b * s.units;
          args.pool.for_range(
              static_cast<size_t>(s.units), grain_of_rows(s.rank * (s.n + s.memory)),
              [&](size_t begin, size_t end) {
                for (auto u = static_cast<int64_t>(begin); u < static_cast<int64_t>(end); ++u) {
                  double sum =
                      has_bias ? static_cast<double>(static_cast<const float*>(args.in[kSvdfBias])[u]) : 0.0;
                  for (int64_t f = u * s.rank; f < (u + 1) * s.rank; ++f) {
                    float* memory = past + f * s.memory;
                    std::memmove(memory, memory + 1, static_cast<size_t>(s.memory - 1) * sizeof(float));
                    memory[s.memory - 1] = static_cast<float>(feature.dot(args, f, x, in_double));
                    sum += time.dot(args, f, memory, in_double);
                  }
                  y[u] = apply(act, static_cast<float>(sum));
                }
              });
        }
        if (args.inner != nullptr)
          args.inner->on_inner(0, {state, static_cast<size_t>(s.batch * s.filters * s.memory)});
        return {};
      });
}

int64_t sum_of(const int8_t* w, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += w[i];
  return sum;
}

// S: the state and the time weights' partner, int16 or int8. Each filter's newest value is rounded to the
// state once; the sum over time is exact and rounded once at the output.
template <class S>
KernelResult create_integer(const NodeDesc& n, const Sizes& s) {
  for (SvdfInput i : {kSvdfX, kSvdfFeature, kSvdfTime, kSvdfState})
    if (n.in[i].quant.empty())
      return Status::corrupt(fmt::format("'{}' has no quantization parameters", n.in[i].name));
  if (n.out[0].quant.empty()) return Status::corrupt("the output has no quantization parameters");
  const DType state_type = dtype_of<S>();
  if (n.in[kSvdfX].dtype != DType::int8 || n.in[kSvdfFeature].dtype != DType::int8 ||
      n.in[kSvdfTime].dtype != state_type || n.out[0].dtype != DType::int8 ||
      (n.has_input(kSvdfBias) && n.in[kSvdfBias].dtype != DType::int32))
    return Status::unsupported(fmt::format("an SVDF of {} with {} state and {} times",
                                           name_of(n.in[kSvdfX].dtype), name_of(state_type),
                                           name_of(n.in[kSvdfTime].dtype)));
  const Affine x = n.in[kSvdfX].quant.at(), state = n.in[kSvdfState].quant.at(), out = n.out[0].quant.at();
  if (n.in[kSvdfFeature].quant.zero_point() != 0 || n.in[kSvdfTime].quant.zero_point() != 0 ||
      state.zero_point != 0)
    return Status::unsupported("an SVDF whose weights or state have a zero point");
  const double to_state = static_cast<double>(x.scale) *
                          static_cast<double>(n.in[kSvdfFeature].quant.scale()) /
                          static_cast<double>(state.scale);
  const double to_out = static_cast<double>(state.scale) *
                        static_cast<double>(n.in[kSvdfTime].quant.scale()) / static_cast<double>(out.scale);
  const QuantBounds bounds = bounds_of(n.attr<SvdfAttrs>().act, DType::int8, out);
  // w . (x - z) = w . x - z sum(w): the sums of constant weights are known now.
  std::vector<int64_t> sums;
  if (n.in[kSvdfFeature].is_known())
    for (int64_t f = 0; f < s.filters; ++f)
      sums.push_back(sum_of(n.in[kSvdfFeature].as<int8_t>().data() + f * s.n, s.n));
  return make_kernel([=, has_bias = n.has_input(kSvdfBias)](const RunArgs& args) -> Status {
    for (int64_t b = 0; b < s.batch; ++b) {
      const int8_t* in = static_cast<const int8_t*>(args.in[kSvdfX]) + b * s.n;
      S* past = state_of<S>(args, kSvdfState) + b * s.filters * s.memory;
      int8_t* y = static_cast<int8_t*>(args.out[0]) + b * s.units;
      for (int64_t u = 0; u < s.units; ++u) {
        int64_t sum = has_bias ? static_cast<const int32_t*>(args.in[kSvdfBias])[u] : 0;
        for (int64_t f = u * s.rank; f < (u + 1) * s.rank; ++f) {
          const int8_t* w = static_cast<const int8_t*>(args.in[kSvdfFeature]) + f * s.n;
          const int64_t weights = sums.empty() ? sum_of(w, s.n) : sums[static_cast<size_t>(f)];
          const int64_t dot = dot_integer(w, in, s.n) - weights * x.zero_point;
          S* memory = past + f * s.memory;
          std::memmove(memory, memory + 1, static_cast<size_t>(s.memory - 1) * sizeof(S));
          memory[s.memory - 1] = saturate<S>(round_even(static_cast<double>(dot) * to_state));
          const S* t = static_cast<const S*>(args.in[kSvdfTime]) + f * s.memory;
          for (int64_t i = 0; i < s.memory; ++i)
            sum += int32_t{t[i]} * int32_t{memory[i]};
        }
        y[u] = saturate<int8_t>(
            round_even(static_cast<double>(sum) * to_out) + static_cast<double>(out.zero_point), bounds.lo,
            bounds.hi);
      }
    }
    return {};
  });
}

template <bool in_double>
KernelResult create_svdf(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const Sizes s, sizes_of(n));
  if (n.in[kSvdfX].dtype == DType::float32) return create_float<in_double>(n, s);
  if (!in_double) return Status::declined("integer SVDFs have one kernel");
  if (n.in[kSvdfState].dtype == DType::int16) return create_integer<int16_t>(n, s);
  if (n.in[kSvdfState].dtype == DType::int8) return create_integer<int8_t>(n, s);
  return Status::unsupported(fmt::format("an SVDF with a state of {}", name_of(n.in[kSvdfState].dtype)));
}

int64_t macs_svdf(const NodeDesc& n) {
  const auto s = sizes_of(n);
  return s.ok() ? s->batch * s->filters * (s->n + s->memory) : 0;
}

// As TFLite's quantizer assigns it (tools/optimize/operator_property.cc in tensorflow/tensorflow, case SVDF).
QuantRule integer_rule() {
  TensorRule time = symmetric16();
  time.levels = 511;  // 10 bits: the other 6 are room for the sum over time
  return QuantRule::of(
      {activation(), weights_per_tensor(), time, bias_of(kSvdfState, kSvdfTime), symmetric16().seen_as(0)},
      {activation()});
}

}  // namespace

const OpSpec& spec_SVDF() {
  static const OpSpec spec{
      .kind = OpKind::SVDF,
      .inputs = {1, 5},  // the bias, fourth of five, may be absent
      .infer = infer_svdf,
      .reference = {"reference", create_svdf<true>},
      .fast = {{"float-sums", create_svdf<false>, cost::per_mac<100>}},
      .quant = integer_rule(),
      .inner = {"state"},
      .macs = macs_svdf,
      .state = {kSvdfState},
      .version_int8 = 3,
      .readers = {kEveryForm, kFloatAndInt8},
      .notes = "float, int8 weights with float activations, and integer with an int16 or int8 state",
  };
  return spec;
}

}  // namespace octet
