// A rewrite rule as one row of a table. The engine (rewriter.cpp) finds the sites, checks what every fusion
// needs and keeps the graph consistent; a rule only says when it holds and what the arithmetic is.
#pragma once

#include <span>
#include <string_view>

#include "graph/graph_editor.hpp"

namespace octet {

class Site;

struct Rule {
  // What the engine demands of the site before it asks `when`.
  enum class Types : uint8_t {
    float32,  // the value between and the consumer's output are float32
    any,      // they have the same type, whatever it is
    free,     // not checked
  };
  // Who may read the value between producer and consumer.
  enum class Between : uint8_t {
    exclusive,  // the consumer alone, once; not a graph output: the value disappears
    shared,     // anybody: the rule leaves the producer as it is
  };

  // How many outputs the consumer may have.
  enum class Outputs : uint8_t { one, any };

  std::string_view name;
  std::string_view picture;           // "CONV_2D -> MUL(const) => CONV_2D"
  std::span<const OpKind> producers;  // empty: the rule looks at the consumer alone
  std::span<const OpKind> consumers;  // empty: any kind
  bool (*when)(const Site&) = nullptr;
  Status (*apply)(Site&) = nullptr;
  Types types = Types::float32;
  Between between = Between::exclusive;
  Outputs outputs = Outputs::one;
};

// Where a rule may fire: consumer, and for pair rules the producer of its input `slot`.
class Site {
 public:
  Site(GraphEditor& editor, NodeId producer, NodeId consumer, size_t slot)
      : ed(editor), producer_id(producer), consumer_id(consumer), slot(slot) {}

  const Graph& graph() const { return ed.graph(); }
  const Node& producer() const { return ed.node(producer_id); }
  const Node& consumer() const { return ed.node(consumer_id); }
  const Value& value(ValueId v) const { return graph().value(v); }
  // The value between the two (the input `slot` of the consumer).
  const Value& between() const { return value(consumer().inputs[slot]); }
  const Value& output() const { return value(consumer().outputs[0]); }
  // The input of a binary operator that is not `slot`.
  ValueId other_input() const { return consumer().input(1 - slot); }

  GraphEditor& ed;
  NodeId producer_id, consumer_id;
  size_t slot;
};

// The tables, in the order in which they are asked.
std::span<const Rule> cleanup_rules();  // identities, chains, constants
std::span<const Rule> sign_rules();     // identities by a known sign
std::span<const Rule> fusion_rules();   // arithmetic and activations into their producers
std::span<const Rule> branch_rules();   // the same through a CONCATENATION
std::span<const Rule> padding_rules();  // PAD that is SAME padding
std::span<const Rule> layout_rules();   // element-wise operators past TRANSPOSE and RESHAPE
std::span<const Rule> lower_rules();    // for execution only: what no file format can say

}  // namespace octet
