// Recipe: everything a user decides about a quantization. Plain, printable, diffable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quant/observer.hpp"
#include "schema/core/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

enum class Scheme : uint8_t {
  int8,         // activations and weights int8, bias int32: the TFLite 8-bit specification
  int16x8,      // activations int16, weights int8, bias int64: TFLite's 16x8 specification
  dynamic,      // int8 weights, activations quantized in every run; needs no data
  weight_only,  // int8 weights, float arithmetic; needs no data
  float16,      // float16 weights, float arithmetic; needs no data
};
std::string_view name_of(Scheme s);  // "int8", "int16x8", "dynamic", "weight-only", "float16"
Result<Scheme> scheme_of(std::string_view name);
// Activations are integers with scales that calibration finds.
inline bool is_integer(Scheme s) {
  return s == Scheme::int8 || s == Scheme::int16x8;
}

// Types of the quantized model's inputs and outputs.
enum class Io : uint8_t {
  keep,   // those of the source model: a drop-in replacement
  int8,   // integers, quantized as the graph is inside
  uint8,  // the same with 128 added
  int16,  // likewise with 16 bits
};
std::string_view name_of(Io io);
Result<Io> io_of(std::string_view name);

// How weights become integers.
enum class Rounding : uint8_t {
  nearest,      // each by itself
  compensated,  // so that errors cancel on the calibration data (weight_rounding.hpp); without data: nearest
};
std::string_view name_of(Rounding r);
Result<Rounding> rounding_of(std::string_view name);

struct Recipe {
  Scheme scheme = Scheme::int8;
  std::string observer{kDefaultObserver};
  bool per_channel = true;  // false: one scale for all channels of a weight tensor
  Io io = Io::keep;
  // Operators to leave in float: globs (* and ?) on the operator's name or kind; several names of fused
  // operators match if one does.
  std::vector<std::string> keep_float;
  bool equalize = true;        // cross-layer equalization before calibration, where it helps
  bool spare_channels = true;  // unused channels become copies of others (spare_channels.hpp)
  Rounding rounding = Rounding::compensated;
  bool bias_correction = true;  // shift biases by the mean error on the calibration data
  // Leave the worst operators in float until the output reaches this many dB; 0: never.
  double min_sqnr_db = 0;

  static Recipe int8() { return {}; }
  static Recipe of(Scheme s) {
    Recipe r;
    r.scheme = s;
    return r;
  }

  // Names the first key or value that is unknown or has the wrong type.
  static Result<Recipe> from_json(std::string_view text);
  static Result<Recipe> load(const std::string& path);
  std::string to_json() const;

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

// Shell-like pattern: * any characters, ? one. Case matters.
bool glob_match(std::string_view pattern, std::string_view text);

// The pattern of `keep_float` that a node's name, kind or origin matches; null when none does.
const std::string* pattern_that_keeps(const Recipe& recipe, const Graph& g, NodeId node);

}  // namespace octet
