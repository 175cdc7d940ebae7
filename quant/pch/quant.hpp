// Precompiled: what nearly every file of this folder includes itself.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "quant/calibration.hpp"
