// Which roundings of activations the error of a quantized model comes from.
#pragma once

#include <string>
#include <vector>

#include "quant/assign/assign.hpp"
#include "quant/pipeline.hpp"

namespace octet {

// Values that are rounded to 8 bits once and handed on, and the operators that write and read them.
struct NoisyActivation {
  std::string name;  // of the value that is rounded
  double noise = 0;  // power of the outputs' error over that of the outputs, when nothing else is rounded
  double work = 0;   // of the operators, in multiply-accumulates; they would have 16-bit activations
  std::vector<NodeId> nodes;
};

// (Q20) All of them in the prepared model, whose int8 form is `assignment`; the greatest noise for the work
// first. Each is rounded alone, in float, on a few of the samples. Inputs and outputs that the recipe wants
// in 8 bits are rounded in any case.
Result<std::vector<NoisyActivation>> rank_activations(const PreparedModel& prepared,
                                                      const GraphAssignment& assignment, const Recipe& recipe,
                                                      SelectionSamples samples, const StepOptions& options);

// (Q20) Takes from `ranked` what should bring the noise of the outputs from `now` to `wanted` with little
// work: at least one, unless there is none. Independent roundings add up, and all noise is put down to those
// that are left, so that what is taken is rather too little than too much.
std::vector<NoisyActivation> take(std::vector<NoisyActivation>& ranked, double now, double wanted);

}  // namespace octet
