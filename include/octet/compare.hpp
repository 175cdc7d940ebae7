// How far two models are apart on samples: per output and per layer.
//
//   auto quality = octet::compare(*model, *other, held_out, {.layers = true});
//   if (!quality.ok()) { std::cerr << quality.status().message() << '\n'; return 1; }
//   std::cout << quality->sqnr_db << " dB\n";
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "octet/export.hpp"
#include "octet/model.hpp"
#include "octet/samples.hpp"
#include "octet/status.hpp"

namespace octet {

class CustomOps;  // custom.hpp

// Stands for equality: no figure is greater.
inline constexpr double kExactDb = 200;

// The error of a part of an output that means something by itself: a piece that is joined in it, or a
// channel.
struct PartError {
  std::string name;    // of the piece; "channel 3"
  double sqnr_db = 0;  // as for the whole
};

// The error of one tensor, over all samples. Integers are compared as the reals they stand for.
struct TensorError {
  std::string name;
  double sqnr_db = 0;  // 10 log10(sum a^2 / sum (a - b)^2); at most kExactDb, which also stands for equality
  double cosine = 1;
  double max_abs = 0, mean_abs = 0;
  double mismatch = 0;  // share of elements that differ: what matters for indices and booleans
  bool real = true;     // false for tensors that hold no quantities: indices, booleans
  // Of an output that joins pieces, these; else its channels (last axis) where these have 16 elements and
  // more. Channels that hold next to nothing, less than a hundredth of the largest one's RMS, are left out.
  std::vector<PartError> parts = {};

  // The part with the most noise; the whole where there are no parts.
  double worst_db() const {
    double worst = sqnr_db;
    for (const PartError& p : parts)
      worst = p.sqnr_db < worst ? p.sqnr_db : worst;
    return worst;
  }
};
struct Comparison {
  int64_t samples = 0;
  double sqnr_db = 0;  // over all real outputs together
  // The output, and the part of it, with the most noise: what a target is met by. No part: the output as a
  // whole.
  struct {
    std::string output, part;
    double sqnr_db = kExactDb;
  } worst = {};
  std::vector<TensorError> outputs;  // in graph order
  std::vector<TensorError> layers;   // values both models have under one name, worst first
};

struct CompareOptions {
  int threads = 1;
  bool layers = false;
  int64_t first = 0, count = INT64_MAX;  // which samples
  Progress progress = {};
  std::shared_ptr<const CustomOps> custom_ops = {};  // the program's custom operators; may be null
};

// `a` is the model that is right. Samples fit `a`; inputs of `b` that are integers are quantized from them.
// Outputs are those of the plans that run the models outside of a comparison, with fused steps; layers are
// those of plans that keep every value. Error when the models' inputs or outputs do not correspond.
OCTET_API Result<Comparison> compare(const Model& a, const Model& b, SampleSource& samples,
                                     const CompareOptions& options = {});

}  // namespace octet
