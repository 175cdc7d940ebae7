// What this machine can do at best, as a yardstick for models.
#pragma once

#include "octet/executor.hpp"
#include "octet/status.hpp"

namespace octet {

// Multiply-accumulates per second, in 10^9, of a large int8 1x1 convolution (512 to 512 channels at 32x32):
// a matrix product without any overhead around it. The best of several runs.
Result<double> int8_peak_gmacs(const PlanOptions& options);

}  // namespace octet
