// Extremes of each sample, averaged with exponential forgetting. Less sensitive to a single odd sample than
// minmax.
#include "quant/statistics/observers/observers.hpp"

namespace octet {

Range moving_average_range(const TensorStatistics& s, const Response& /*response*/) {
  return {static_cast<float>(s.running().min), static_cast<float>(s.running().max)};
}

}  // namespace octet
