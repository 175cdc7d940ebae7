#include "quant/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "graph/rewriter.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/entry.hpp"
#include "quant/passes/equalize.hpp"
#include "quant/passes/round_once.hpp"
#include "quant/passes/spare_channels.hpp"
#include "quant/passes/unroll.hpp"
#include "quant/reals.hpp"
#include "runtime/plan.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet {
namespace {

Status refuse_quantized(const Graph& g) {
  for (const Value& v : g.values)
    if (!v.is_constant() && !v.quant.empty() && !is_float(v.dtype) && v.dtype != DType::int32 &&
        v.dtype != DType::int64)
      return Status::invalid(fmt::format("is quantized already: tensor '{}' is {} with scale {:g}", v.name,
                                         name_of(v.dtype), v.quant.scale()));
  return {};
}

// Shapes as the operators give them, in the place of what the file declares: everything that follows counts
// on them. Where an operator can't tell (a custom one that is not known here), declarations stay, and running
// the model says why.
void make_shapes_true(Graph& g, std::vector<Finding>& findings) {
  const auto shapes = inferred_shapes(g);
  if (!shapes.ok()) return;
  for (size_t i = 0; i < g.values.size(); ++i) {
    Value& v = g.values[i];
    const Shape& shape = (*shapes)[i];
    if (v.shape == shape) continue;
    const bool declared = v.has_rank && v.shape_signature.empty();
    if (declared && v.shape.elements() != shape.elements())
      findings.push_back(
          {v.name, fmt::format("is declared {} and computed {}", v.shape.to_string(), shape.to_string())});
    v.shape = shape;
    v.has_rank = v.has_rank || shape.rank() > 0;
  }
}

// Weights that are int8 or int4 next to float activations (a dynamic-range model) become the floats they
// stand for, so that the operators can become int8 as a whole. Rounded again to their own scale they are what
// they were.
void widen_hybrid_weights(Graph& g) {
  std::map<ValueId, ValueId> wide;
  for (Node& n : g.nodes) {
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr || n.outputs.empty() || n.outputs[0] == kNoValue ||
        g.value(n.outputs[0]).dtype != DType::float32)
      continue;
    const QuantRule& rules = quant_rule(*spec, n);
    for (size_t i = 0; rules.has_int8 && i < n.inputs.size(); ++i) {
      const ValueId v = n.inputs[i];
      if (v == kNoValue || rules.input(i).kind != TensorRule::Kind::weights) continue;
      const bool narrow = g.value(v).dtype == DType::int8 || g.value(v).dtype == DType::int4;
      if (!g.value(v).is_constant() || !narrow || g.value(v).quant.empty()) continue;
      const auto [at, fresh] = wide.try_emplace(v, kNoValue);
      if (fresh) {
        Value real = g.value(v);
        std::vector<float> reals;
        to_reals(real.view(), reals);
        real.dtype = DType::float32;
        real.quant = {};
        real.constant = Constant::of(reals);
        at->second = g.add_value(std::move(real));
      }
      n.inputs[i] = at->second;
    }
  }
  remove_dead(g);
}

// Equalization is worth it when it changes the ratio of two channels' ranges by this factor or more.
constexpr double kMinImbalance = 10;

// By how much more one channel was rescaled than another, at most: over all constants that differ.
double imbalance(const Graph& before, const Graph& after) {
  std::map<std::string_view, const Value*> old;
  for (const Value& v : before.values)
    if (v.is_constant() && v.dtype == DType::float32) old[v.name] = &v;
  double most = 1;
  for (const Value& v : after.values) {
    const auto it = old.find(v.name);
    if (it == old.end() || !v.is_constant() || v.dtype != DType::float32 || v.shape != it->second->shape)
      continue;
    const auto a = it->second->constant.as<float>(), b = v.constant.as<float>();
    double lo = 1, hi = 1;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == 0 || b[i] == 0) continue;
      const double ratio = std::fabs(static_cast<double>(b[i]) / static_cast<double>(a[i]));
      lo = std::min(lo, ratio);
      hi = std::max(hi, ratio);
    }
    most = std::max(most, hi / lo);
  }
  return most;
}

int64_t constant_bytes(const ModelData& m) {
  int64_t n = 0;
  for (const Graph& g : m.graphs)
    for (const Value& v : g.values)
      n += static_cast<int64_t>(v.constant.bytes().size());
  return n;
}

}  // namespace

Result<PreparedModel> prepare(const ModelData& source, const Recipe& recipe) {
  if (source.graphs.empty()) return Status::invalid("has no graph");
  OCTET_TRY(recipe.check().at("the recipe"));
  for (const Graph& g : source.graphs)
    OCTET_TRY(check_required(g));
  OCTET_ASSIGN(const int32_t entry, entry_of(source, recipe.signature));
  auto model = std::make_shared<ModelData>(source);
  exchange_main(*model, entry);
  OCTET_TRY(refuse_quantized(model->main()));
  PreparedModel prepared;
  prepared.entry = entry;
  make_shapes_true(model->main(), prepared.findings);
  FusionReport report;
  NodeMarks int16_activations;
  const bool integer = is_integer(recipe.scheme);
  if (integer) {
    auto keep = [&](const Graph& graph, NodeId n) {
      return !is_integer(choice_for(recipe, graph, n).scheme);
    };
    OCTET_ASSIGN(report, unroll(*model, keep, int16_activations));
  }
  Graph& g = model->main();
  if (integer) widen_hybrid_weights(g);
  OCTET_ASSIGN(const FusionReport fused, fuse(g, &int16_activations));
  report.append(fused);
  if (integer) {
    OCTET_ASSIGN(const FusionReport channels, round_once(g, int16_activations));
    report.append(channels);
  }
  bool equalized_graph = false;
  if (recipe.scheme == Scheme::int8 && recipe.equalize) {
    // Small corrections gain nothing and move error from weights to activations: all or nothing.
    Graph equalized = g;
    FusionReport pairs;
    OCTET_TRY(equalize(equalized, pairs));
    if (imbalance(g, equalized) >= kMinImbalance) {
      g = std::move(equalized);
      equalized_graph = true;
      report.append(pairs);
    }
  }
  if (recipe.scheme == Scheme::int8 && recipe.spare_channels) {
    OCTET_ASSIGN(const FusionReport spare, use_spare_channels(g));
    report.append(spare);
  }
  prepared.input_bytes = source.file_bytes;
  if (prepared.input_bytes == 0) {
    // A graph that was never in a file may hold what no file can say.
    const auto bytes = file_bytes_of(source);
    prepared.input_bytes = bytes.ok() ? *bytes : constant_bytes(source);
  }
  prepared.equalized = equalized_graph;
  prepared.fusions = report.counts();
  prepared.fusion_text = report.to_string();
  prepared.model = std::move(model);
  prepared.int16_activations = std::move(int16_activations);
  return prepared;
}

Result<std::vector<Variant>> variants_of(const ModelData& source, const Recipe& recipe) {
  std::vector<Variant> variants;
  OCTET_ASSIGN(PreparedModel first, prepare(source, recipe));
  const bool equalized = first.equalized;
  variants.push_back({recipe, std::move(first)});
  if (equalized) {
    Recipe without = recipe;
    without.equalize = false;
    OCTET_ASSIGN(PreparedModel plain, prepare(source, without));
    variants.push_back({std::move(without), std::move(plain)});
  }
  return variants;
}

Result<int64_t> file_bytes_of(const ModelData& m) {
  OCTET_ASSIGN(const auto bytes, serialize(m));
  return static_cast<int64_t>(bytes.size());
}

}  // namespace octet
