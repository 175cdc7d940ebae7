// A float model made ready: what is calibrated and quantized.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "octet/quantize.hpp"
#include "octet/status.hpp"
#include "quant/passes/balance.hpp"
#include "quant/recipe.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

struct PreparedModel {
  bool equalized = false;   // weights were rescaled between layers
  int64_t input_bytes = 0;  // of the source model's file
  int32_t entry = 0;  // the graph of the source that is the main one of `model`, and the other way round
  std::shared_ptr<const ModelData> model;
  NodeMarks int16_activations;  // operators of its main graph that 8 bits are too coarse for
  // What results are measured against, where `model` computes the same on some data only; null: `model`.
  std::shared_ptr<const ModelData> reference;
  ChannelExponents exponents;          // by which channels were balanced
  std::vector<Finding> findings;       // of the source model
  std::map<std::string, int> fusions;  // rule -> how often it fired
  std::string fusion_text;             // one line per site

  const Graph& graph() const { return model->main(); }
  const ModelData& reference_model() const { return reference ? *reference : *model; }
};

// Fusions, and for integer schemes what makes the float graph easier to quantize. Error when the model is
// quantized already.
Result<PreparedModel> prepare(const ModelData& source, const Recipe& recipe);

// All candidates that can be told without data, the recipe's own first: equalization rescues networks with
// unbalanced channels and harms others, so where it changes much the model without it is one as well.
struct Variant {
  Recipe recipe;
  PreparedModel prepared;
};
Result<std::vector<Variant>> variants_of(const ModelData& source, const Recipe& recipe);

// The size of the file that a model makes.
Result<int64_t> file_bytes_of(const ModelData& m);

}  // namespace octet
