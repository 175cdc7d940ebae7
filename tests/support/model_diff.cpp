#include "tests/support/model_diff.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace octet::test {
namespace {

bool same(const Constant& a, const Constant& b) {
  return a.present() == b.present() && std::ranges::equal(a.bytes(), b.bytes());
}

// One parameter per tensor and one per channel of a single channel are the same thing, and the format has one
// way to write them.
bool same(const Quantization& a, const Quantization& b) {
  return std::ranges::equal(a.params(), b.params()) && (a.params().size() < 2 || a.axis() == b.axis());
}

std::string diff(const Value& a, const Value& b) {
  if (a.name != b.name) return fmt::format("name: '{}' and '{}'", a.name, b.name);
  if (a.dtype != b.dtype) return fmt::format("type: {} and {}", name_of(a.dtype), name_of(b.dtype));
  if (a.shape != b.shape) return fmt::format("shape: {} and {}", a.shape.to_string(), b.shape.to_string());
  if (a.shape_signature != b.shape_signature)
    return fmt::format("shape signature: {} and {}", a.shape_signature, b.shape_signature);
  if (a.has_rank != b.has_rank) return "has_rank";
  if (a.is_variable != b.is_variable) return "is_variable";
  if (!same(a.quant, b.quant)) return "quantization";
  if (!same(a.constant, b.constant)) return "data";
  return "";
}

std::string diff(const Node& a, const Node& b) {
  if (a.kind != b.kind) return fmt::format("kind: {} and {}", name_of(a.kind), name_of(b.kind));
  if (a.attrs != b.attrs) return "attributes";
  if (a.inputs != b.inputs) return fmt::format("inputs: {} and {}", a.inputs, b.inputs);
  if (a.outputs != b.outputs) return fmt::format("outputs: {} and {}", a.outputs, b.outputs);
  if (a.intermediates != b.intermediates)
    return fmt::format("intermediates: {} and {}", a.intermediates, b.intermediates);
  if (a.version != b.version) return fmt::format("version: {} and {}", a.version, b.version);
  return "";
}

std::string diff(const Graph& a, const Graph& b) {
  if (a.name != b.name) return fmt::format("name: '{}' and '{}'", a.name, b.name);
  if (a.values.size() != b.values.size())
    return fmt::format("values: {} and {}", a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i)
    if (std::string d = diff(a.values[i], b.values[i]); !d.empty())
      return fmt::format("value {} '{}': {}", i, a.values[i].name, d);
  if (a.nodes.size() != b.nodes.size())
    return fmt::format("nodes: {} and {}", a.nodes.size(), b.nodes.size());
  for (size_t i = 0; i < a.nodes.size(); ++i)
    if (std::string d = diff(a.nodes[i], b.nodes[i]); !d.empty())
      return fmt::format("node {} ({}): {}", i, kind_name(a.nodes[i]), d);
  if (a.inputs != b.inputs) return fmt::format("inputs: {} and {}", a.inputs, b.inputs);
  if (a.outputs != b.outputs) return fmt::format("outputs: {} and {}", a.outputs, b.outputs);
  return "";
}

}  // namespace

std::string diff(const ModelData& a, const ModelData& b) {
  if (a.format != b.format) return "format";
  if (a.description != b.description)
    return fmt::format("description: '{}' and '{}'", a.description, b.description);
  if (a.graphs.size() != b.graphs.size())
    return fmt::format("graphs: {} and {}", a.graphs.size(), b.graphs.size());
  for (size_t i = 0; i < a.graphs.size(); ++i)
    if (std::string d = diff(a.graphs[i], b.graphs[i]); !d.empty()) return fmt::format("graph {}: {}", i, d);
  if (a.signatures.size() != b.signatures.size()) return "number of signatures";
  for (size_t i = 0; i < a.signatures.size(); ++i) {
    const Signature &s = a.signatures[i], &t = b.signatures[i];
    if (s.key != t.key || s.graph != t.graph || s.inputs != t.inputs || s.outputs != t.outputs)
      return fmt::format("signature '{}'", s.key);
  }
  if (a.metadata.size() != b.metadata.size()) return "number of metadata";
  for (size_t i = 0; i < a.metadata.size(); ++i)
    if (a.metadata[i].first != b.metadata[i].first || !same(a.metadata[i].second, b.metadata[i].second))
      return fmt::format("metadata '{}'", a.metadata[i].first);
  return "";
}

}  // namespace octet::test
