#include "cli/bench_peak.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "octet/try.hpp"

namespace octet {

Result<double> int8_peak_gmacs(const PlanOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Model model = yardstick_model();
  OCTET_ASSIGN(Executor exec, Executor::create(model, options));
  const TensorInfo& in = exec.plan().inputs()[0];
  std::vector<int8_t> data(static_cast<size_t>(in.shape.elements()) + 64, 1);
  const ConstTensorView input{data.data(), in.dtype, in.shape, in.quant};
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 30; ++run) {
    const auto start = Clock::now();
    OCTET_TRY(exec.run(std::span(&input, 1)));
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return static_cast<double>(model.macs()) / best / 1e9;
}

}  // namespace octet
