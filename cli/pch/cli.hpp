// Precompiled: what nearly every file of this folder includes itself.
#include <CLI/CLI.hpp>

#include "cli/args.hpp"
