// Precompiled: what nearly every file of this folder includes itself.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "kernels/op_spec.hpp"
