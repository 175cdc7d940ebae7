// Recipe: everything a user decides about a quantization. Plain, printable, diffable.
//
//   octet::Recipe recipe = octet::Recipe::int8();
//   recipe.min_sqnr_db = 30;
//   recipe.keep_float = {"SOFTMAX"};
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octet/export.hpp"
#include "octet/status.hpp"

namespace octet {

enum class Scheme : uint8_t {
  int8,         // activations and weights int8, bias int32: the TFLite 8-bit specification
  int16x8,      // activations int16, weights int8, bias int64: TFLite's 16x8 specification
  dynamic,      // int8 or int4 weights, activations quantized in every run; needs no data
  weight_only,  // int8 or int4 weights, float arithmetic; needs no data
  float16,      // float16 weights, float arithmetic; needs no data
  floating,     // nothing; for operators that stay as they are
};
// "int8", "int16x8", "dynamic", "weight-only", "float16", "float"
OCTET_API std::string_view name_of(Scheme s);
OCTET_API Result<Scheme> scheme_of(std::string_view name);
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
OCTET_API std::string_view name_of(Io io);
OCTET_API Result<Io> io_of(std::string_view name);

// What will read the quantized model. Where it has no integer form of an operator, the file says the same in
// a form that it has: DEQUANTIZE, the operator in float, QUANTIZE; Octet runs that as the integer operator it
// is.
enum class Reader : uint8_t {
  tflite,        // TensorFlow Lite 2.14 and later
  tflite_micro,  // TensorFlow Lite Micro
  int8_only,     // accelerators: no 16-bit activations, and an error where an operator would need float
  octet,         // Octet alone: the smallest file
};
OCTET_API std::string_view name_of(Reader r);  // "tflite", "tflite-micro", "int8-only", "octet"
OCTET_API Result<Reader> reader_of(std::string_view name);

// How weights become integers.
enum class Rounding : uint8_t {
  nearest,      // each by itself
  compensated,  // so that errors cancel on the calibration data (MATH.md, Q13); without data: nearest
};
OCTET_API std::string_view name_of(Rounding r);
OCTET_API Result<Rounding> rounding_of(std::string_view name);

// What becomes of operators that cost too much accuracy in int8.
enum class RaiseTo : uint8_t {
  int16,     // 16-bit activations; float only where that is not enough
  floating,  // float
};
OCTET_API std::string_view name_of(RaiseTo r);  // "int16", "float"
OCTET_API Result<RaiseTo> raise_to_of(std::string_view name);

// How the range of a tensor is chosen from what was seen of it: "minmax", "moving-average", "percentile",
// "mse", "entropy".
OCTET_API std::span<const std::string_view> observer_names();
// The observer that is taken unless told otherwise.
inline constexpr std::string_view kDefaultObserver = "mse";

// Some operators differ from the rest: a glob on name, kind or origin, and what is different.
struct OperatorRecipe {
  std::string match;
  // Not set: the recipe's own. int8 and int16x8 mix with each other, and only where the recipe's own is one
  // of the two: they need calibration.
  std::optional<Scheme> scheme;
  std::optional<int> bits;
  std::optional<int32_t> block;
  std::optional<bool> per_channel;

  friend bool operator==(const OperatorRecipe&, const OperatorRecipe&) = default;
};

struct Recipe {
  Scheme scheme = Scheme::int8;
  std::string observer{kDefaultObserver};
  bool per_channel = true;  // false: one scale for all channels of a weight tensor
  int weight_bits = 8;      // 8 or 4; 4 only where activations stay float
  int32_t block = 0;        // > 0: one scale for so many neighbouring inputs of an output, for 4-bit weights
  Io io = Io::keep;
  Reader reader = Reader::tflite;
  // The graph to quantize: that of a signature; empty: the main one. The others stay what they are.
  std::string signature = {};
  // Operators to leave in float: globs (* and ?) on the operator's name or kind; several names of fused
  // operators match if one does.
  std::vector<std::string> keep_float;
  std::vector<OperatorRecipe> operators;  // the first that matches counts, after `keep_float`
  bool equalize = true;                   // cross-layer equalization before calibration, where it helps
  bool spare_channels = true;             // unused channels become copies of others
  bool balance = true;                    // rescale channels of activations by what they hold on the data
  bool wide = true;                       // int8: 16-bit activations where 8 bits are rounded again and again
  Rounding rounding = Rounding::compensated;
  bool bias_correction = true;  // shift biases by the mean error on the calibration data
  // Promote the operators with the most noise until the output reaches this many dB; 0: never.
  double min_sqnr_db = 0;
  RaiseTo raise_to = RaiseTo::int16;

  static Recipe int8() { return {}; }
  static Recipe of(Scheme s) {
    Recipe r;
    r.scheme = s;
    return r;
  }

  // Names the first key or value that is unknown or has the wrong type.
  OCTET_API static Result<Recipe> from_json(std::string_view text);
  OCTET_API static Result<Recipe> load(const std::string& path);
  OCTET_API std::string to_json() const;
  // Do the parts go together? Names the first that does not.
  OCTET_API Status check() const;

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

}  // namespace octet
