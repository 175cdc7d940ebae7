#include "schema/ir/graph.hpp"

#include <cstring>
#include <new>

namespace octet {

Constant Constant::copy_of(std::span<const std::byte> bytes) {
  constexpr size_t kAlign = 64, kSlack = 64;
  auto* p = static_cast<std::byte*>(::operator new(bytes.size() + kSlack, std::align_val_t(kAlign)));
  std::shared_ptr<std::byte> owner(p, [](std::byte* q) { ::operator delete(q, std::align_val_t(kAlign)); });
  if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
  std::memset(p + bytes.size(), 0, kSlack);
  return Constant(std::move(owner), {p, bytes.size()});
}

std::string node_name(const Graph& g, NodeId id) {
  const Node& n = g.nodes[static_cast<size_t>(id)];
  for (ValueId v : n.outputs)
    if (v != kNoValue && !g.value(v).name.empty()) return g.value(v).name;
  return std::string(name_of(n.kind)) + "#" + std::to_string(id);
}

std::string kind_name(const Node& n) {
  if (const auto* custom = std::get_if<CustomAttrs>(&n.attrs)) return "CUSTOM:" + custom->name;
  if (const auto* unknown = std::get_if<UnknownAttrs>(&n.attrs)) return unknown->name;
  return std::string(name_of(n.kind));
}

Uses uses_of(const Graph& g) {
  Uses u;
  u.producer.assign(g.values.size(), -1);
  u.consumers.resize(g.values.size());
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    for (ValueId v : g.nodes[i].outputs)
      if (v != kNoValue) u.producer[static_cast<size_t>(v)] = static_cast<NodeId>(i);
    for (ValueId v : g.nodes[i].inputs)
      if (v != kNoValue) u.consumers[static_cast<size_t>(v)].push_back(static_cast<NodeId>(i));
  }
  return u;
}

void keep_only(Graph& g, const std::vector<char>& keep_value, const std::vector<char>& keep_node) {
  std::vector<ValueId> renumber(g.values.size(), kNoValue);
  std::vector<Value> values;
  for (size_t i = 0; i < g.values.size(); ++i) {
    if (keep_value[i] == 0) continue;
    renumber[i] = static_cast<ValueId>(values.size());
    values.push_back(std::move(g.values[i]));
  }
  auto apply = [&](std::vector<ValueId>& ids) {
    for (ValueId& v : ids)
      if (v != kNoValue) v = renumber[static_cast<size_t>(v)];
  };
  std::vector<Node> nodes;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (keep_node[i] == 0) continue;
    nodes.push_back(std::move(g.nodes[i]));
    apply(nodes.back().inputs);
    apply(nodes.back().outputs);
    apply(nodes.back().intermediates);
  }
  g.values = std::move(values);
  g.nodes = std::move(nodes);
  apply(g.inputs);
  apply(g.outputs);
}

std::vector<NodeId> remove_dead(Graph& g) {
  const Uses u = uses_of(g);
  std::vector<char> live_value(g.values.size(), 0), live_node(g.nodes.size(), 0);
  std::vector<NodeId> stack;
  auto need_value = [&](ValueId v) {
    if (v == kNoValue || live_value[static_cast<size_t>(v)] != 0) return;
    live_value[static_cast<size_t>(v)] = 1;
    if (const NodeId p = u.producer[static_cast<size_t>(v)]; p >= 0) stack.push_back(p);
  };
  for (ValueId v : g.inputs)
    need_value(v);
  for (ValueId v : g.outputs)
    need_value(v);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    bool effect = n.kind == OpKind::ASSIGN_VARIABLE || n.kind == OpKind::CALL_ONCE ||
                  n.kind == OpKind::WHILE || n.kind == OpKind::IF || n.kind == OpKind::CUSTOM;
    for (ValueId v : n.inputs)
      effect = effect || (v != kNoValue && g.value(v).is_variable);
    if (effect) stack.push_back(static_cast<NodeId>(i));
  }
  while (!stack.empty()) {
    const NodeId id = stack.back();
    stack.pop_back();
    if (live_node[static_cast<size_t>(id)] != 0) continue;
    live_node[static_cast<size_t>(id)] = 1;
    const Node& n = g.nodes[static_cast<size_t>(id)];
    for (ValueId v : n.inputs)
      need_value(v);
    for (ValueId v : n.outputs)
      need_value(v);
    for (ValueId v : n.intermediates)
      need_value(v);
  }
  keep_only(g, live_value, live_node);
  std::vector<NodeId> left;
  for (size_t i = 0; i < live_node.size(); ++i)
    if (live_node[i] != 0) left.push_back(static_cast<NodeId>(i));
  return left;
}

std::string_view name_of(Format f) {
  return f == Format::circle ? "circle" : "tflite";
}

}  // namespace octet
