// Precompiled: what nearly every file of this folder includes itself.
#include <algorithm>
#include <fmt/format.h>
#include <functional>

#include "kernels/op_spec.hpp"
