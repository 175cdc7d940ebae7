// Precompiled: what nearly every file of this folder includes itself.
#include <algorithm>
#include <fmt/format.h>

#include "schema/ir/graph.hpp"
