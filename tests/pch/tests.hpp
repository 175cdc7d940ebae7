// Precompiled: what nearly every file of this folder includes itself.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "kernels/dispatch.hpp"
#include "runtime/executor.hpp"
