// Precompiled: what nearly every file of this folder includes itself.
#include <fmt/format.h>

#include <algorithm>

#include "schema/ir/graph.hpp"
