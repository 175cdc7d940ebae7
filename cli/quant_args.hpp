// What calibrate and quantize share: the recipe on the command line, and which samples are used for what.
#pragma once

#include <string>
#include <vector>

#include "cli/args.hpp"
#include "octet/recipe.hpp"

namespace octet {

// Flags override the recipe file.
struct RecipeArgs {
  std::string file, observer, scheme, io, reader, signature, rounding, raise_to;
  std::vector<std::string> keep_float;
  bool per_tensor = false, no_equalize = false, no_spare_channels = false, no_balance = false,
       no_wide = false;
  bool no_bias_correction = false;
  int weight_bits = 0;  // 0: the recipe's
  int block = -1;       // -1: the recipe's
  double min_sqnr_db = 0;

  Result<Recipe> recipe() const;
};
// The flags that decide what is calibrated: the recipe, the observer, equalization.
void add_calibration_recipe(Options& options, RecipeArgs& args);
// All of them.
void add_recipe_options(Options& options, RecipeArgs& args);

}  // namespace octet
