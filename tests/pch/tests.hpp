// Precompiled: what nearly every file of this folder includes itself.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.hpp"
#include "runtime/executor.hpp"
