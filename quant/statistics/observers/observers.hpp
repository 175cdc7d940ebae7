// The observers, one file each; observer.cpp has the table.
#pragma once

#include "quant/statistics/observer.hpp"

namespace octet {

Range minmax_range(const TensorStatistics& s, const Response& response);
Range moving_average_range(const TensorStatistics& s, const Response& response);
Range percentile_range(const TensorStatistics& s, const Response& response);
Range mse_range(const TensorStatistics& s, const Response& response);
Range entropy_range(const TensorStatistics& s, const Response& response);

}  // namespace octet
