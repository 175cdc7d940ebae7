#include "graph/graph_editor.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <queue>
#include <utility>

#include "kernels/op_spec.hpp"

namespace octet {
namespace {

bool has_effect(const Graph& g, const Node& n) {
  if (has_trait(n.kind, Trait::stateful)) return true;
  return std::any_of(n.inputs.begin(), n.inputs.end(),
                     [&](ValueId v) { return v != kNoValue && g.value(v).is_variable; });
}

}  // namespace

GraphEditor::GraphEditor(Graph& g, NodeMarks marks)
    : g_(g), is_output_(g.values.size(), 0), is_input_(g.values.size(), 0), marks_(std::move(marks)) {
  marks_.resize(g.nodes.size(), 0);
  Uses u = uses_of(g);
  producer_ = std::move(u.producer);
  consumers_ = std::move(u.consumers);
  dead_.assign(g.nodes.size(), 0);
  place_.resize(g.nodes.size());
  std::iota(place_.begin(), place_.end(), 0);
  for (ValueId v : g.outputs)
    is_output_[static_cast<size_t>(v)] = 1;
  for (ValueId v : g.inputs)
    is_input_[static_cast<size_t>(v)] = 1;
}

void GraphEditor::become(NodeId n, OpKind kind, Attrs attrs) {
  Node& node = edit(n);
  node.kind = kind;
  node.attrs = std::move(attrs);
  node.version = 1;
}

ValueId GraphEditor::add_value(Value v) {
  producer_.push_back(-1);
  consumers_.emplace_back();
  is_output_.push_back(0);
  is_input_.push_back(0);
  return g_.add_value(std::move(v));
}

ValueId GraphEditor::add_constant(std::string name, DType dtype, const Shape& shape, Constant data) {
  Value v;
  v.name = std::move(name);
  v.dtype = dtype;
  v.shape = shape;
  v.constant = std::move(data);
  return add_value(std::move(v));
}

void GraphEditor::replace_constant(NodeId node, size_t slot, const Shape& shape,
                                   std::span<const float> data) {
  const ValueId old = g_.nodes[static_cast<size_t>(node)].inputs[slot];
  std::string name = g_.value(old).name;
  if (!is_exclusive(old)) name += "/" + node_name(g_, node);
  set_input(node, slot, add_constant(std::move(name), DType::float32, shape, Constant::of(data)));
}

void GraphEditor::set_constant(ValueId v, Value known) {
  known.shape_signature.clear();
  g_.value(v) = std::move(known);
  touch_around(v);
}

void GraphEditor::touch_around(ValueId v) {
  if (v == kNoValue) return;
  if (const NodeId p = producer(v); p >= 0) touched_.push_back(p);
  const auto& readers = consumers(v);
  touched_.insert(touched_.end(), readers.begin(), readers.end());
}

void GraphEditor::drop_read(ValueId v, NodeId n) {
  if (v == kNoValue) return;
  auto& readers = consumers_[static_cast<size_t>(v)];
  if (const auto it = std::find(readers.begin(), readers.end(), n); it != readers.end()) readers.erase(it);
  touch_around(v);
}

void GraphEditor::set_input(NodeId n, size_t slot, ValueId v) {
  auto& inputs = edit(n).inputs;
  if (inputs.size() <= slot) inputs.resize(slot + 1, kNoValue);
  drop_read(inputs[slot], n);
  inputs[slot] = v;
  if (v != kNoValue) consumers_[static_cast<size_t>(v)].push_back(n);
  touched_.push_back(n);
}

void GraphEditor::truncate_inputs(NodeId n, size_t count) {
  auto& inputs = edit(n).inputs;
  while (inputs.size() > count) {
    drop_read(inputs.back(), n);
    inputs.pop_back();
  }
}

void GraphEditor::set_outputs(NodeId n, std::vector<ValueId> outputs) {
  for (ValueId v : edit(n).outputs)
    if (v != kNoValue && producer(v) == n) producer_[static_cast<size_t>(v)] = -1;
  edit(n).outputs = std::move(outputs);
  for (ValueId v : edit(n).outputs) {
    if (v == kNoValue) continue;
    producer_[static_cast<size_t>(v)] = n;
    touch_around(v);
  }
}

void GraphEditor::replace_reads(ValueId from, ValueId to) {
  for (NodeId n : std::vector<NodeId>(consumers(from))) {
    auto& inputs = edit(n).inputs;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] == from) set_input(n, i, to);
  }
  touch_around(to);
}

void GraphEditor::remove(NodeId n) {
  Node& node = edit(n);
  dead_[static_cast<size_t>(n)] = 1;
  for (ValueId v : node.outputs)
    if (v != kNoValue && producer(v) == n) producer_[static_cast<size_t>(v)] = -1;
  for (ValueId v : node.inputs)
    drop_read(v, n);
  node.inputs.clear();
  node.outputs.clear();
}

NodeId GraphEditor::add_node(Node node, NodeId place) {
  const auto n = static_cast<NodeId>(g_.nodes.size());
  std::vector<ValueId> outputs = std::exchange(node.outputs, {});
  for (ValueId v : node.inputs) {
    if (v == kNoValue) continue;
    consumers_[static_cast<size_t>(v)].push_back(n);
    touch_around(v);
  }
  g_.nodes.push_back(std::move(node));
  dead_.push_back(0);
  marks_.push_back(0);
  place_.push_back(place_[static_cast<size_t>(place)]);
  set_outputs(n, std::move(outputs));
  touched_.push_back(n);
  return n;
}

void GraphEditor::add_origins(NodeId to, NodeId from) {
  auto name_if_none = [&](NodeId n) {
    if (node(n).origins.empty()) edit(n).origins.push_back(node_name(g_, n));
  };
  name_if_none(to);
  name_if_none(from);
  auto& target = edit(to).origins;
  for (const std::string& s : node(from).origins)
    if (std::find(target.begin(), target.end(), s) == target.end()) target.push_back(s);
}

NodeId GraphEditor::absorb(NodeId producer, NodeId consumer) {
  add_origins(producer, consumer);
  std::vector<ValueId> outputs = node(consumer).outputs;
  Node moved = std::move(edit(producer));
  edit(producer) = Node{};
  dead_[static_cast<size_t>(producer)] = 1;
  for (ValueId v : moved.outputs)
    if (v != kNoValue) producer_[static_cast<size_t>(v)] = -1;
  remove(consumer);
  dead_[static_cast<size_t>(consumer)] = 0;
  for (ValueId v : moved.inputs)
    if (v != kNoValue)
      std::replace(consumers_[static_cast<size_t>(v)].begin(), consumers_[static_cast<size_t>(v)].end(),
                   producer, consumer);
  moved.outputs.clear();
  edit(consumer) = std::move(moved);
  marks_[static_cast<size_t>(consumer)] = marks_[static_cast<size_t>(producer)];
  set_outputs(consumer, std::move(outputs));
  for (ValueId v : node(consumer).inputs)
    touch_around(v);
  return consumer;
}

bool GraphEditor::can_bypass(NodeId n, size_t slot) const {
  const ValueId from = node(n).outputs[0], to = node(n).inputs[slot];
  if (!is_graph_output(from)) return true;
  // The producer of `to` takes over the output's value; that needs a producer, and `to` must be nobody's
  // name.
  return producer(to) >= 0 && !is_graph_output(to) && !is_graph_input(to);
}

void GraphEditor::bypass(NodeId n, size_t slot) {
  const ValueId from = node(n).outputs[0], to = node(n).inputs[slot];
  if (!is_graph_output(from)) {
    if (const NodeId p = producer(to); p >= 0) add_origins(p, n);
    remove(n);
    replace_reads(from, to);
    return;
  }
  const NodeId p = producer(to);
  add_origins(p, n);
  std::vector<ValueId> outputs = node(p).outputs;
  std::replace(outputs.begin(), outputs.end(), to, from);
  remove(n);
  set_outputs(p, std::move(outputs));
  replace_reads(to, from);
}

std::vector<NodeId> GraphEditor::take_touched() {
  return std::exchange(touched_, {});
}

NodeMarks GraphEditor::finish() {
  // In the order of places; `rank` is where a node stands in it.
  std::vector<NodeId> order(g_.nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](NodeId a, NodeId b) {
    return place_[static_cast<size_t>(a)] < place_[static_cast<size_t>(b)];
  });
  const size_t n = order.size();
  std::vector<size_t> rank(n);
  for (size_t i = 0; i < n; ++i)
    rank[static_cast<size_t>(order[i])] = i;
  std::vector<std::vector<size_t>> after(n);
  std::vector<int> waits(n, 0);
  std::optional<size_t> last_effect;
  auto follow = [&](size_t before, size_t i) {
    after[before].push_back(i);
    ++waits[i];
  };
  for (size_t i = 0; i < n; ++i) {
    const NodeId id = order[i];
    if (is_dead(id)) continue;
    for (ValueId v : node(id).inputs)
      if (const NodeId p = producer(v); p >= 0) follow(rank[static_cast<size_t>(p)], i);
    // Operators with state keep their order among themselves.
    if (!has_effect(g_, node(id))) continue;
    if (last_effect) follow(*last_effect, i);
    last_effect = i;
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < n; ++i)
    if (!is_dead(order[i]) && waits[i] == 0) ready.push(i);
  std::vector<Node> ordered;
  std::vector<NodeId> was;  // where each of them was
  while (!ready.empty()) {
    const size_t i = ready.top();
    ready.pop();
    ordered.push_back(std::move(edit(order[i])));
    was.push_back(order[i]);
    for (size_t next : after[i])
      if (--waits[next] == 0) ready.push(next);
  }
  g_.nodes = std::move(ordered);
  NodeMarks marks;
  for (NodeId kept : remove_dead(g_))
    marks.push_back(marks_[static_cast<size_t>(was[static_cast<size_t>(kept)])]);
  return marks;
}

}  // namespace octet
