// Precompiled: what nearly every file of this folder includes itself.
#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <unordered_map>

#include "kernels/op_spec.hpp"
