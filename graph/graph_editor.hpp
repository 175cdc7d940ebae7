// A graph while it is being rewritten: who writes and reads each value is kept up to date by every change.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Per node of a graph, whether a pass has marked it.
using NodeMarks = std::vector<char>;

// Nodes that are removed stay in place as empty slots until finish(), so ids hold while rules run;
// until then the order of nodes says nothing.
class GraphEditor {
 public:
  // Nodes beyond the end of `marks` have none.
  explicit GraphEditor(Graph& g, NodeMarks marks = {});

  Graph& graph() { return g_; }
  const Graph& graph() const { return g_; }
  const Node& node(NodeId n) const { return g_.nodes[static_cast<size_t>(n)]; }
  // Kind and attributes may be changed at will; inputs and outputs only with the functions below.
  Node& edit(NodeId n) { return g_.nodes[static_cast<size_t>(n)]; }
  // Another operator in the place of `n`, with its inputs and outputs.
  void become(NodeId n, OpKind kind, Attrs attrs);
  // A mark stays with its node through every change.
  bool is_marked(NodeId n) const { return marks_[static_cast<size_t>(n)] != 0; }
  void mark(NodeId n) { marks_[static_cast<size_t>(n)] = 1; }
  bool is_dead(NodeId n) const { return dead_[static_cast<size_t>(n)] != 0; }
  NodeId producer(ValueId v) const { return v == kNoValue ? -1 : producer_[static_cast<size_t>(v)]; }
  const std::vector<NodeId>& consumers(ValueId v) const { return consumers_[static_cast<size_t>(v)]; }
  bool is_graph_output(ValueId v) const { return is_output_[static_cast<size_t>(v)] != 0; }
  bool is_graph_input(ValueId v) const { return is_input_[static_cast<size_t>(v)] != 0; }
  // `v` has one reader, which reads it once, and is not a graph output.
  bool is_exclusive(ValueId v) const {
    return v != kNoValue && consumers(v).size() == 1 && !is_graph_output(v);
  }

  ValueId add_value(Value v);
  ValueId add_constant(std::string name, DType dtype, const Shape& shape, Constant data);
  // A float32 constant for `node` alone in place of its input `slot`: keeps the name where nothing else reads
  // the old one.
  void replace_constant(NodeId node, size_t slot, const Shape& shape, std::span<const float> data);
  // `v`, whose producer is gone, is a constant from now on.
  void set_constant(ValueId v, Value known);
  void set_input(NodeId n, size_t slot, ValueId v);
  void truncate_inputs(NodeId n, size_t count);
  void set_outputs(NodeId n, std::vector<ValueId> outputs);
  // Every reader of `from` reads `to` instead. Graph outputs are not changed.
  void replace_reads(ValueId from, ValueId to);
  void remove(NodeId n);
  // A new node, which takes its turn among operators with state where `place` has it. Ids of nodes hold.
  NodeId add_node(Node node, NodeId place);
  void add_origins(NodeId to, NodeId from);

  // `producer` absorbs `consumer`: it moves to the consumer's place, with the consumer's outputs and the
  // origins of both. The consumer is gone; returns where the producer is now.
  NodeId absorb(NodeId producer, NodeId consumer);
  // `n` hands its input `slot` on unchanged: its readers read that instead and the node goes away. False when
  // the output's name can't be kept (graph input or constant handed straight to a graph output).
  bool can_bypass(NodeId n, size_t slot) const;
  void bypass(NodeId n, size_t slot);

  // Nodes touched since the last call, for the engine's work list.
  std::vector<NodeId> take_touched();
  // Drop the empty slots, put the nodes in topological order again, moving as few as possible, and remove
  // what is dead. The marks of the nodes that are left; nothing else may be called after that.
  NodeMarks finish();

 private:
  void touch_around(ValueId v);
  void drop_read(ValueId v, NodeId n);

  Graph& g_;
  std::vector<NodeId> producer_;
  std::vector<std::vector<NodeId>> consumers_;
  std::vector<char> is_output_, is_input_, dead_;
  NodeMarks marks_;
  std::vector<NodeId> place_;  // per node: the one in whose place it is; its own id at first
  std::vector<NodeId> touched_;
};

}  // namespace octet
