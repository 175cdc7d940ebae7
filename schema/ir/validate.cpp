#include "schema/ir/validate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/int_range.hpp"
#include "schema/ir/validate_node.hpp"

namespace octet {
namespace {

// No tensor may take more: no machine that Octet runs on holds it, and below it the products of extents that
// kernels compute stay far from 2^63.
constexpr int64_t kMaxTensorBytes = int64_t{1} << 40;

std::string label_validate(std::string_view kind, size_t index, const std::string& name) {
  return name.empty() ? fmt::format("{} #{}", kind, index) : fmt::format("{} '{}'", kind, name);
}
// The status with its place in front. The place is worked out only after an error: names can be long.
template <class F>
Status located(Status s, F place) {
  return s.ok() ? s : std::move(s).at(place());
}
std::string tensor_label(const Graph& g, ValueId v) {
  return label_validate("tensor", static_cast<size_t>(v), g.value(v).name);
}

Status check_shape(const Value& v) {
  // The product leaves out extents of 0, so that no order of multiplication can overflow.
  int64_t bits = std::max(bits_of(v.dtype), 8);
  for (const int32_t d : v.shape.dims()) {
    if (d < 0) return Status::corrupt(fmt::format("has an extent of {}", d));
    const auto product = checked_mul(bits, std::max(d, 1));
    if (!product || *product / 8 > kMaxTensorBytes)
      return Status::exhausted(
          fmt::format("is larger than memory can be ({} {})", v.shape.to_string(), name_of(v.dtype)));
    bits = *product;
  }
  if (!v.has_rank && v.shape.rank() != 0) return Status::corrupt("has a shape, but no rank");
  if (v.shape_signature.empty()) return {};
  if (v.shape_signature.size() != static_cast<size_t>(v.shape.rank()))
    return Status::corrupt(
        fmt::format("has {} axes, but its shape signature has {}", v.shape.rank(), v.shape_signature.size()));
  for (const int32_t d : v.shape_signature)
    if (d < -1) return Status::corrupt(fmt::format("has an extent of {} in its shape signature", d));
  return {};
}

Status check_quantization(const Value& v) {
  const auto params = v.quant.params();
  if (params.empty()) return {};
  if (const int32_t block = v.quant.block(); v.quant.is_blockwise()) {
    if (v.shape.rank() == 0 || v.shape[-1] % block != 0)
      return Status::corrupt(fmt::format("has blocks of {}, which do not divide the last axis of {}", block,
                                         v.shape.to_string()));
    if (static_cast<int64_t>(params.size()) != v.shape.elements() / block)
      return Status::corrupt(fmt::format("has {} scales for blocks of {} of shape {}", params.size(), block,
                                         v.shape.to_string()));
  } else if (const auto axis = v.quant.axis()) {
    if (*axis < 0 || *axis >= v.shape.rank())
      return Status::corrupt(
          fmt::format("is quantized along axis {}, but its shape is {}", *axis, v.shape.to_string()));
    if (static_cast<int64_t>(params.size()) != v.shape[*axis])
      return Status::corrupt(
          fmt::format("has {} scales along axis {} of shape {}", params.size(), *axis, v.shape.to_string()));
  } else if (params.size() != 1) {
    return Status::corrupt(fmt::format("has {} scales and no axis", params.size()));
  }
  const IntRange range = range_of(v.dtype);
  for (size_t i = 0; i < params.size(); ++i) {
    const Affine& a = params[i];
    if (!std::isfinite(a.scale) || a.scale <= 0)
      return Status::corrupt(fmt::format("has scale {} ({} of {})", a.scale, i + 1, params.size()));
    if (a.zero_point < range.lo || a.zero_point > range.hi)
      return Status::corrupt(
          fmt::format("has zero point {}, which is not an {}", a.zero_point, name_of(v.dtype)));
  }
  return {};
}

// Strings: int32 count, count + 1 int32 offsets from the beginning, then the characters.
Status check_strings(const Value& v) {
  const auto bytes = v.constant.bytes();
  auto word = [&](int64_t i) {
    int32_t w = 0;
    std::memcpy(&w, bytes.data() + i * 4, 4);
    return int64_t{w};
  };
  const auto size = static_cast<int64_t>(bytes.size());
  if (size < 4 || word(0) != v.shape.elements() || 4 * (word(0) + 2) > size)
    return Status::corrupt(fmt::format("holds no well-formed table of {} strings", v.shape.elements()));
  int64_t last = 4 * (word(0) + 2);
  for (int64_t i = 1; i <= word(0) + 1; ++i) {
    if (word(i) < last || word(i) > size)
      return Status::corrupt(fmt::format("has string {} outside of its data", i - 1));
    last = word(i);
  }
  return {};
}

Status check_constant(const Value& v) {
  if (!v.is_constant()) return {};
  if (v.is_variable) return Status::corrupt("is a variable and has data of its own");
  const auto have = static_cast<int64_t>(v.constant.bytes().size());
  if (have == 0 && v.shape.elements() == 0) return {};
  if (v.dtype == DType::string) return check_strings(v);
  if (bits_of(v.dtype) == 0)
    return Status::unsupported(fmt::format("is a constant of type {}", name_of(v.dtype)));
  const int64_t want = byte_size(v.dtype, v.shape);
  if (have != want)
    return Status::corrupt(fmt::format("has {} bytes of data; {} {} takes {}", have, v.shape.to_string(),
                                       name_of(v.dtype), want));
  return {};
}

Status check_value(const Value& v) {
  if (static_cast<int>(v.dtype) >= kDTypeCount)
    return Status::corrupt(fmt::format("has element type {}", static_cast<int>(v.dtype)));
  OCTET_TRY(check_shape(v));
  OCTET_TRY(check_quantization(v));
  return check_constant(v);
}

Status check_ids(const Graph& g, const std::vector<ValueId>& ids, ValueId least, std::string_view what) {
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < least || ids[i] >= static_cast<int64_t>(g.values.size()))
      return Status::corrupt(
          fmt::format("{} {} is tensor {}, and there are {}", what, i, ids[i], g.values.size()));
  return {};
}

std::string node_label(const Graph& g, size_t i) {
  return fmt::format("{} '{}'", kind_name(g.nodes[i]), node_name(g, static_cast<NodeId>(i)));
}

// Every value comes from one place, and before it is read.
Status check_flow(const Graph& g) {
  enum class From : uint8_t { nowhere, input, constant, variable, later, node };
  std::vector<From> from(g.values.size(), From::nowhere);
  for (size_t i = 0; i < g.values.size(); ++i)
    if (g.values[i].is_constant())
      from[i] = From::constant;
    else if (g.values[i].is_variable)
      from[i] = From::variable;
  for (const ValueId v : g.inputs) {
    From& f = from[static_cast<size_t>(v)];
    if (f == From::constant)
      return Status::corrupt(tensor_label(g, v) + ": is a graph input and has data of its own");
    f = From::input;
  }
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (const ValueId v : g.nodes[i].outputs) {
      if (v == kNoValue) continue;
      From& f = from[static_cast<size_t>(v)];
      const std::string_view why = f == From::input      ? "a graph input"
                                   : f == From::constant ? "a constant"
                                   : f == From::variable ? "a variable"
                                   : f == From::later    ? "the result of another operator, too"
                                                         : "";
      if (!why.empty())
        return Status::corrupt(
            fmt::format("{}: its result, {}, is {}", node_label(g, i), tensor_label(g, v), why));
      f = From::later;
    }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    for (const ValueId v : g.nodes[i].inputs) {
      if (v == kNoValue) continue;
      const From f = from[static_cast<size_t>(v)];
      if (f == From::later)
        return Status::corrupt(
            fmt::format("{}: reads {} before it is computed", node_label(g, i), tensor_label(g, v)));
      if (f == From::nowhere)
        return Status::corrupt(fmt::format("{}: reads {}, which nothing computes and which has no data",
                                           node_label(g, i), tensor_label(g, v)));
    }
    for (const ValueId v : g.nodes[i].outputs)
      if (v != kNoValue) from[static_cast<size_t>(v)] = From::node;
  }
  for (const ValueId v : g.outputs)
    if (from[static_cast<size_t>(v)] == From::nowhere)
      return Status::corrupt(tensor_label(g, v) +
                             ": is a graph output that nothing computes and that has no data");
  return {};
}

Status check_graph(const ModelData& m, const Graph& g) {
  for (size_t i = 0; i < g.values.size(); ++i)
    OCTET_TRY(located(check_value(g.values[i]), [&] { return tensor_label(g, static_cast<ValueId>(i)); }));
  OCTET_TRY(check_ids(g, g.inputs, 0, "graph input"));
  OCTET_TRY(check_ids(g, g.outputs, 0, "graph output"));
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    auto place = [&] { return fmt::format("operator #{} ({})", i, kind_name(n)); };
    OCTET_TRY(located(check_ids(g, n.inputs, kNoValue, "input"), place));
    OCTET_TRY(located(check_ids(g, n.outputs, kNoValue, "output"), place));
    OCTET_TRY(located(check_ids(g, n.intermediates, kNoValue, "intermediate"), place));
    OCTET_TRY(located(validate_node(m, n), [&] { return node_label(g, i); }));
  }
  return check_flow(g);
}

// Graphs that call each other in a circle would never end.
Status check_calls(const ModelData& m) {
  enum class Mark : uint8_t { unseen, open, done };
  std::vector<Mark> marks(m.graphs.size(), Mark::unseen);
  struct Visit {
    int32_t graph;
    bool leaving;
  };
  for (size_t start = 0; start < m.graphs.size(); ++start) {
    std::vector<Visit> stack{{static_cast<int32_t>(start), false}};
    while (!stack.empty()) {
      const auto [graph, leaving] = stack.back();
      Mark& mark = marks[static_cast<size_t>(graph)];
      stack.pop_back();
      if (leaving) {
        mark = Mark::done;
        continue;
      }
      if (mark == Mark::open)
        return Status::corrupt(
            label_validate("graph", static_cast<size_t>(graph), m.graphs[static_cast<size_t>(graph)].name) +
            " calls itself");
      if (mark == Mark::done) continue;
      mark = Mark::open;
      stack.push_back({graph, true});
      for (const Node& n : m.graphs[static_cast<size_t>(graph)].nodes)
        for (const int32_t callee : called_graphs(n))
          stack.push_back({callee, false});
    }
  }
  return {};
}

Status check_signature(const ModelData& m, const Signature& s) {
  if (s.graph < 0 || s.graph >= static_cast<int64_t>(m.graphs.size()))
    return Status::corrupt(fmt::format("graph {} does not exist (there are {})", s.graph, m.graphs.size()));
  const Graph& g = m.graphs[static_cast<size_t>(s.graph)];
  auto check = [](const auto& names, size_t count, std::string_view what) -> Status {
    for (const auto& [name, position] : names)
      if (position < 0 || position >= static_cast<int64_t>(count))
        return Status::corrupt(fmt::format("{} '{}' is number {} of {}", what, name, position, count));
    return {};
  };
  OCTET_TRY(check(s.inputs, g.inputs.size(), "input"));
  return check(s.outputs, g.outputs.size(), "output");
}

}  // namespace

Status validate(const ModelData& m) {
  if (m.graphs.empty()) return Status::corrupt("has no graph");
  for (size_t i = 0; i < m.graphs.size(); ++i) {
    Status s = check_graph(m, m.graphs[i]);
    if (!s.ok()) return i == 0 ? s : std::move(s).at(label_validate("graph", i, m.graphs[i].name));
  }
  OCTET_TRY(check_calls(m));
  for (size_t i = 0; i < m.signatures.size(); ++i)
    OCTET_TRY(check_signature(m, m.signatures[i]).at(label_validate("signature", i, m.signatures[i].key)));
  return {};
}

}  // namespace octet
