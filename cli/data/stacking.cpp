#include <algorithm>
#include <fmt/format.h>

#include "cli/data/dataset.hpp"

namespace octet {
namespace {

bool is_dynamic(const InputSpec& in, size_t axis) {
  return axis < in.signature.size() && in.signature[axis] < 0;
}

std::vector<int64_t> without_ones(std::span<const int64_t> dims) {
  std::vector<int64_t> kept;
  std::copy_if(dims.begin(), dims.end(), std::back_inserter(kept), [](int64_t d) { return d != 1; });
  return kept;
}

std::vector<int64_t> dims_of(const Shape& s) {
  return {s.dims().begin(), s.dims().end()};
}

std::optional<Shape> shape_of(std::span<const int64_t> dims) {
  Shape s;
  if (dims.size() > Shape::kMaxRank) return std::nullopt;
  for (int64_t d : dims) {
    if (d > INT32_MAX) return std::nullopt;
    s.push_back(static_cast<int32_t>(d));
  }
  return s;
}

// `dims` as the input's shape: equal, or different only where the input is dynamic.
std::optional<Shape> fits_exactly(std::span<const int64_t> dims, const InputSpec& in) {
  if (static_cast<int>(dims.size()) != in.shape.rank()) return std::nullopt;
  for (size_t a = 0; a < dims.size(); ++a)
    if (dims[a] != in.shape[static_cast<int>(a)] && !is_dynamic(in, a)) return std::nullopt;
  return shape_of(dims);
}

// The same without regard to extents of 1, which hold no data.
std::optional<Shape> fits_squeezed(std::span<const int64_t> dims, const InputSpec& in) {
  if (without_ones(dims) == without_ones(dims_of(in.shape))) return in.shape;
  return std::nullopt;
}

std::optional<Shape> fits_sample(std::span<const int64_t> dims, const InputSpec& in) {
  if (auto s = fits_exactly(dims, in)) return s;
  if (auto s = fits_squeezed(dims, in)) return s;
  // A sample without the batch axis.
  std::vector<int64_t> with_batch{1};
  with_batch.insert(with_batch.end(), dims.begin(), dims.end());
  if (in.shape.rank() > 0 && (in.shape[0] == 1 || is_dynamic(in, 0))) return fits_exactly(with_batch, in);
  return std::nullopt;
}

}  // namespace

Result<Stacking> stacking_of(std::span<const int64_t> dims, const InputSpec& in) {
  const auto mismatch = [&] {
    std::string want = in.shape.to_string();
    if (!in.signature.empty() && in.signature.size() == static_cast<size_t>(in.shape.rank())) {
      Shape s = in.shape;
      for (int a = 0; a < s.rank(); ++a)
        s[a] = is_dynamic(in, static_cast<size_t>(a)) ? -1 : s[a];
      want = s.to_string();
    }
    return Status::invalid(
        fmt::format("expected shape {} (or a stack of such samples) for input '{}', got {}", want, in.name,
                    dims_text(dims)));
  };
  if (!in.has_rank) {
    const auto s = shape_of(dims);
    return s ? Result<Stacking>(Stacking{false, 1, *s}) : mismatch();
  }
  const int rank = in.shape.rank();
  const bool own_axis = static_cast<int>(dims.size()) == rank && (rank == 0 || dims[0] == in.shape[0]);
  if (own_axis) {
    const auto s = fits_exactly(dims, in);
    return s ? Result<Stacking>(Stacking{false, 1, *s}) : mismatch();
  }
  if (!dims.empty())
    if (const auto s = fits_sample(dims.subspan(1), in)) return Stacking{true, dims[0], *s};
  if (const auto s = fits_squeezed(dims, in)) return Stacking{false, 1, *s};
  if (const auto s = fits_exactly(dims, in)) return Stacking{false, 1, *s};
  return mismatch();
}

std::vector<InputSpec> input_specs(std::span<const TensorInfo> inputs) {
  std::vector<InputSpec> specs;
  for (const TensorInfo& t : inputs) {
    std::vector<int32_t> signature;
    if (!t.shape.is_static()) signature.assign(t.shape.dims().begin(), t.shape.dims().end());
    specs.push_back({t.name, t.dtype, t.stored_shape, std::move(signature), t.has_rank, t.quant});
  }
  return specs;
}

}  // namespace octet
