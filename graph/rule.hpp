// A rewrite rule as one row of a table. The engine (rewriter.cpp) finds the sites, checks what every fusion
// needs and keeps the graph consistent; a rule only says what it matches and what becomes of the match.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "graph/graph_editor.hpp"
#include "kernels/op_spec.hpp"

namespace octet {

// Which operators may stand at one end of a rule: those with a trait, those whose spec has a property, or a
// few kinds that the rule is about. Any operator when nothing is given.
class Operators {
 public:
  constexpr Operators() = default;
  constexpr Operators(Trait t) : traits_(t), given_(true) {}  // NOLINT(google-explicit-constructor)
  constexpr Operators(bool (*property)(const OpSpec&))
      : property_(property), given_(true) {}  // NOLINT(google-explicit-constructor)
  constexpr Operators(std::initializer_list<OpKind> kinds) : given_(true) {
    for (OpKind k : kinds)
      kinds_[count_++] = k;
  }
  constexpr bool given() const { return given_; }
  bool contains(OpKind kind) const {
    if (count_ > 0)
      return std::find(kinds_.begin(), kinds_.begin() + count_, kind) != kinds_.begin() + count_;
    if (property_ == nullptr && !traits_) return true;
    const OpSpec* spec = find_spec(kind);
    return spec != nullptr && (property_ != nullptr ? property_(*spec) : spec->traits.has(*traits_));
  }

 private:
  std::array<OpKind, 4> kinds_{};
  ptrdiff_t count_ = 0;
  bool (*property_)(const OpSpec&) = nullptr;
  std::optional<Trait> traits_;
  bool given_ = false;
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
  // The operators by name, for reports.
  std::string name() const;

  GraphEditor& ed;
  NodeId producer_id, consumer_id;
  size_t slot;
};

// A rule at a site where it matched. `declined`: it found out only then that it does not apply, and has
// changed nothing.
struct Outcome {
  std::string where;
  Status status;
};

// `match` finds what the rule is about, once: a bool, or an optional with what `apply` is then given.
template <auto match, auto apply>
std::optional<Outcome> rewrite_by(Site& s) {
  auto found = match(std::as_const(s));
  if (!found) return std::nullopt;
  std::string where = s.name();
  if constexpr (std::is_same_v<decltype(found), bool>)
    return Outcome{std::move(where), apply(s)};
  else
    return Outcome{std::move(where), apply(s, *found)};
}

struct Rule {
  // What the engine demands of the site before it asks for a match.
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
  std::string_view picture;  // "CONV_2D -> MUL(const) => CONV_2D"
  Operators producers = {};  // when not given, the rule looks at the consumer alone
  Operators consumers = {};
  Types types = Types::float32;
  Between between = Between::exclusive;
  Outputs outputs = Outputs::one;
  std::optional<Outcome> (*rewrite)(Site&) = nullptr;  // rewrite_by<match, apply>
};

// The tables, in the order in which they are asked.
std::span<const Rule> cleanup_rules();  // identities, chains, constants
std::span<const Rule> sign_rules();     // identities by a known sign
std::span<const Rule> fusion_rules();   // arithmetic and activations into their producers
std::span<const Rule> branch_rules();   // the same through a CONCATENATION
std::span<const Rule> padding_rules();  // PAD that is SAME padding
std::span<const Rule> layout_rules();   // element-wise operators past TRANSPOSE and RESHAPE
std::span<const Rule> lower_rules();    // for execution only: what no file format can say
std::span<const Rule>
scale_rules();  // for execution only: declared scales that differ from the operators' rules
std::span<const Rule> integer_rules();  // for execution only: integer operators that a file says in float

}  // namespace octet
