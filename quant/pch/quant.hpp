// Precompiled: what nearly every file of this folder includes itself.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "quant/statistics/calibration.hpp"
