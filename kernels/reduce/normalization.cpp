#include "kernels/reduce/normalization.hpp"

#include <cmath>
#include <fmt/format.h>

#include "kernels/quant_math.hpp"
#include "octet/try.hpp"

namespace octet {

Status ChannelTerm::check(const NodeDesc& n, size_t input, int64_t channels) {
  const TensorDesc* t = n.optional_input(input);
  if (t == nullptr || (t->shape.rank() <= 1 && (t->elements() == channels || t->elements() == 1))) return {};
  return Status::corrupt(
      fmt::format("'{}' is {}, must be {} numbers or one", t->name, t->shape.to_string(), channels));
}

Result<ChannelTerm> ChannelTerm::make(const NodeDesc& n, size_t input, int64_t channels, double otherwise) {
  OCTET_TRY(check(n, input, channels));
  ChannelTerm term;
  term.input_ = input;
  term.channels_ = static_cast<size_t>(channels);
  term.otherwise_ = otherwise;
  const TensorDesc* t = n.optional_input(input);
  if (t == nullptr) return term;
  term.present_ = true;
  term.count_ = static_cast<size_t>(t->elements());
  term.dtype_ = t->dtype;
  term.quant_ = t->quant;
  const bool integer = t->dtype == DType::int8 || t->dtype == DType::uint8 || t->dtype == DType::int16 ||
                       t->dtype == DType::int32;
  if (t->dtype != DType::float32 && (!integer || t->quant.empty()))
    return Status::unsupported(
        fmt::format("'{}' is {}, must be float32 or quantized", t->name, name_of(t->dtype)));
  return term;
}

std::vector<double> ChannelTerm::values(const RunArgs& args) const {
  std::vector<double> v(channels_, otherwise_);
  if (!present_) return v;
  auto fill = [&](const auto* x) {
    for (size_t c = 0; c < channels_; ++c) {
      const size_t i = count_ == 1 ? 0 : c;
      v[c] = quant_.empty() ? static_cast<double>(x[i]) : dequantize(x[i], quant_.at(i));
    }
  };
  const void* data = args.in[input_];
  switch (dtype_) {
    case DType::int8: fill(static_cast<const int8_t*>(data)); break;
    case DType::uint8: fill(static_cast<const uint8_t*>(data)); break;
    case DType::int16: fill(static_cast<const int16_t*>(data)); break;
    case DType::int32: fill(static_cast<const int32_t*>(data)); break;
    default: fill(static_cast<const float*>(data)); break;
  }
  return v;
}

Status check_epsilon(float epsilon) {
  if (std::isfinite(epsilon) && epsilon >= 0) return {};
  return Status::corrupt(fmt::format("epsilon is {}, must be 0 or positive", epsilon));
}

}  // namespace octet
