// Precompiled: what nearly every file of this folder includes itself.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
