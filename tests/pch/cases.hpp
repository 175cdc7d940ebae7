// Precompiled: what nearly every file of the libraries of cases includes itself. They are linked into the
// benchmarks too, which are without doctest.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/dispatch.hpp"
#include "runtime/executor.hpp"
