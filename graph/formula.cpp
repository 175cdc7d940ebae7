#include "graph/formula.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "graph/affine_op.hpp"
#include "kernels/infer.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view s) : s_(s) {}

  Result<Term> parse() {
    OCTET_ASSIGN(Term t, term());
    skip();
    if (at_ != s_.size()) return error("end");
    return t;
  }

 private:
  Status error(std::string_view wanted) {
    return Status::internal(fmt::format("formula '{}': {} expected at {}", s_, wanted, at_));
  }
  void skip() {
    while (at_ < s_.size() && s_[at_] == ' ')
      ++at_;
  }
  bool eat(char c) {
    skip();
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<Term> term() {
    skip();
    Term t;
    const size_t begin = at_;
    if (at_ < s_.size() && (std::isdigit(static_cast<unsigned char>(s_[at_])) != 0 || s_[at_] == '-')) {
      const auto r = std::from_chars(s_.data() + at_, s_.data() + s_.size(), t.number);
      at_ = static_cast<size_t>(r.ptr - s_.data());
      return t;
    }
    while (at_ < s_.size() && (std::isalnum(static_cast<unsigned char>(s_[at_])) != 0 || s_[at_] == '%'))
      ++at_;
    if (at_ == begin) return error("name or number");
    t.name = std::string(s_.substr(begin, at_ - begin));
    if (!eat('(')) return t;
    do {
      OCTET_ASSIGN(Term operand, term());
      t.operands.push_back(std::move(operand));
    } while (eat(','));
    if (!eat(')')) return error(")");
    return t;
  }

  std::string_view s_;
  size_t at_ = 0;
};

bool near(double a, double b) {
  return std::fabs(a - b) <= 1e-4 * std::max(std::fabs(a), std::fabs(b));
}

// Operands of a flattened product or sum: values, and all scalar constants as one number.
struct Operands {
  std::vector<ValueId> values;
  double number;
  std::set<NodeId> nodes;  // that were flattened
};

class Matcher {
 public:
  explicit Matcher(const GraphEditor& ed) : ed_(ed), g_(ed.graph()) {}

  bool node(const Term& t, NodeId n, bool ignore_activation, Match& m) const {
    const Node& node = ed_.node(n);
    if (node.outputs.size() != 1 || g_.value(node.outputs[0]).dtype != DType::float32) return false;
    const Activation* act = activation_of(node.attrs);
    const bool fused = act != nullptr && !act->none() && !ignore_activation;
    if (const auto limit = activation_named(t.name)) return activation(t, *limit, n, fused, m);
    if (fused) return false;
    m.nodes.insert(n);
    if (t.name == "mul") return flattened(t, product(node.outputs[0], n), 1, m);
    if (t.name == "add") return flattened(t, sum(node.outputs[0], n), 0, m);
    if (t.name == "sum" || t.name == "mean" || t.name == "max") return reduction(t, node, m);
    if (t.name == "sqrt" || t.name == "rsqrt") return root_of(t, node, m);
    static const std::map<std::string_view, OpKind> kKinds = {
        {"sub", OpKind::SUB}, {"div", OpKind::DIV},        {"sqdiff", OpKind::SQUARED_DIFFERENCE},
        {"exp", OpKind::EXP}, {"tanh", OpKind::TANH},      {"maximum", OpKind::MAXIMUM},
        {"neg", OpKind::NEG}, {"minimum", OpKind::MINIMUM}};
    const auto kind = kKinds.find(t.name);
    if (kind == kKinds.end() || kind->second != node.kind || node.inputs.size() != t.operands.size())
      return false;
    Match trial = m;
    if (all(t.operands, node.inputs, trial)) {
      m = std::move(trial);
      return true;
    }
    if (!has_trait(node.kind, Trait::commutative)) return false;
    return all(t.operands, {node.inputs[1], node.inputs[0]}, m);
  }

 private:
  bool value(const Term& t, ValueId v, Match& m) const {
    if (v == kNoValue) return false;
    const Value& value = g_.value(v);
    if (t.is_number()) {
      const auto s = scalar_of(value);
      return s && near(*s, t.number);
    }
    if (t.is_capture()) {
      if (!value.is_constant() || value.dtype != DType::float32) return false;
      const auto s = scalar_of(value);
      return capture(t.name, s ? Captured{*s, kNoValue} : Captured{1, v}, m);
    }
    if (t.operands.empty()) {
      if (value.is_constant() || value.dtype != DType::float32) return false;
      return m.values.emplace(t.name, v).first->second == v;
    }
    const NodeId p = ed_.producer(v);
    return p >= 0 && node(t, p, false, m);
  }

  bool all(const std::vector<Term>& terms, const std::vector<ValueId>& values, Match& m) const {
    for (size_t i = 0; i < terms.size(); ++i)
      if (!value(terms[i], values[i], m)) return false;
    return true;
  }

  static bool capture(const std::string& name, Captured c, Match& m) {
    return m.constants.emplace(name, c).first->second == c;
  }

  static std::optional<std::pair<OpKind, Activation>> activation_named(std::string_view name) {
    if (name == "relu") return std::pair{OpKind::RELU, Activation(Activation::Kind::relu)};
    if (name == "relu6") return std::pair{OpKind::RELU6, Activation(Activation::Kind::relu6)};
    if (name == "relu01") return std::pair{OpKind::RELU_0_TO_1, Activation::clamp(0, 1)};
    return std::nullopt;
  }

  bool activation(const Term& t, const std::pair<OpKind, Activation>& wanted, NodeId n, bool fused,
                  Match& m) const {
    const Node& node = ed_.node(n);
    if (node.kind == wanted.first) {
      m.nodes.insert(n);
      return value(t.operands[0], node.inputs[0], m);
    }
    // Fused: the value without the activation exists nowhere, so a variable can't stand for it.
    return fused && *activation_of(node.attrs) == wanted.second && !t.operands[0].operands.empty() &&
           this->node(t.operands[0], n, true, m);
  }

  bool reduction(const Term& t, const Node& node, Match& m) const {
    const OpKind kind = t.name == "sum" ? OpKind::SUM : t.name == "mean" ? OpKind::MEAN : OpKind::REDUCE_MAX;
    if (node.kind != kind || node.inputs.size() != 2 || !std::get<ReduceAttrs>(node.attrs).keep_dims)
      return false;
    const auto axes = ints_of(g_.value(node.inputs[1]));
    const Value& x = g_.value(node.inputs[0]);
    if (!axes || axes->empty() || !x.has_rank) return false;
    std::vector<int64_t> sorted;
    for (int64_t a : *axes) {
      const auto axis = normalize_axis(a, x.shape.rank());
      if (!axis) return false;
      sorted.push_back(*axis);
    }
    std::sort(sorted.begin(), sorted.end());
    if (!m.axes.empty() && m.axes != sorted) return false;
    m.axes = std::move(sorted);
    return value(t.operands[0], node.inputs[0], m);
  }

  bool root_of(const Term& t, const Node& node, Match& m) const {
    const bool inverse = t.name == "rsqrt";
    if (node.kind == OpKind::POW) {
      const auto e = scalar_of(g_.value(node.inputs[1]));
      return e && near(*e, inverse ? -0.5 : 0.5) && value(t.operands[0], node.inputs[0], m);
    }
    return node.kind == (inverse ? OpKind::RSQRT : OpKind::SQRT) && value(t.operands[0], node.inputs[0], m);
  }

  // --- products and sums ---------------------------------------------------------------------------------

  bool is_plain(NodeId n, NodeId root) const {
    const Activation* act = activation_of(ed_.node(n).attrs);
    return n == root || act == nullptr || act->none();
  }

  // Values that only this product reads are taken apart as well; `root` always is.
  Operands product(ValueId v, NodeId root) const {
    Operands o{{}, 1, {}};
    collect(v, root, o, true);
    return o;
  }
  Operands sum(ValueId v, NodeId root) const {
    Operands o{{}, 0, {}};
    collect(v, root, o, false);
    return o;
  }

  void collect(ValueId v, NodeId root, Operands& o, bool product) const {
    if (const auto s = scalar_of(g_.value(v))) {
      o.number = product ? o.number * *s : o.number + *s;
      return;
    }
    const NodeId p = ed_.producer(v);
    const bool apart = p >= 0 && is_plain(p, root) && (p == root || ed_.is_exclusive(v));
    if (!apart || !(product ? take_factor(p, root, o) : take_addend(p, root, o))) {
      o.values.push_back(v);
      return;
    }
    o.nodes.insert(p);
  }

  bool take_factor(NodeId p, NodeId root, Operands& o) const {
    const Node& n = ed_.node(p);
    switch (n.kind) {
      case OpKind::MUL:
        collect(n.inputs[0], root, o, true);
        collect(n.inputs[1], root, o, true);
        return true;
      case OpKind::DIV: {
        const auto s = scalar_of(g_.value(n.inputs[1]));
        if (!s || *s == 0) return false;
        o.number /= *s;
        collect(n.inputs[0], root, o, true);
        return true;
      }
      case OpKind::NEG:
        o.number = -o.number;
        collect(n.inputs[0], root, o, true);
        return true;
      case OpKind::SQUARE: o.values.insert(o.values.end(), 2, n.inputs[0]); return true;
      case OpKind::POW: {
        const auto e = scalar_of(g_.value(n.inputs[1]));
        if (!e || (*e != 2 && *e != 3)) return false;
        o.values.insert(o.values.end(), static_cast<size_t>(*e), n.inputs[0]);
        return true;
      }
      default: return false;
    }
  }

  bool take_addend(NodeId p, NodeId root, Operands& o) const {
    const Node& n = ed_.node(p);
    if (n.kind == OpKind::SUB) {
      const auto s = scalar_of(g_.value(n.inputs[1]));
      if (!s) return false;
      o.number -= *s;
      collect(n.inputs[0], root, o, false);
      return true;
    }
    if (n.kind != OpKind::ADD) return false;
    collect(n.inputs[0], root, o, false);
    collect(n.inputs[1], root, o, false);
    return true;
  }

  // `neutral` is what the numbers of a formula without any come to: 1 or 0.
  bool flattened(const Term& t, const Operands& o, double neutral, Match& m) const {
    if (o.nodes.empty()) return false;
    m.nodes.insert(o.nodes.begin(), o.nodes.end());
    const bool product = neutral == 1;
    double number = neutral;
    std::vector<Term> rest;
    const Term* open = nullptr;  // a capture that may take the number that is left
    for (const Term& operand : t.operands) {
      if (operand.is_number())
        number = product ? number * operand.number : number + operand.number;
      else if (operand.is_capture())
        open = &operand;
      else
        rest.push_back(operand);
    }
    std::vector<ValueId> values = o.values;
    if (open == nullptr) return near(o.number, number) && assign(rest, values, m);
    Captured c{product ? o.number / number : o.number - number, kNoValue};
    const auto tensor =
        std::find_if(values.begin(), values.end(), [&](ValueId v) { return g_.value(v).is_constant(); });
    if (tensor != values.end()) {
      if (!product && c.scale != 0) return false;
      if (!product) c.scale = 1;
      c.tensor = *tensor;
      values.erase(tensor);
    } else if (near(o.number, number)) {
      return false;  // nothing to capture
    }
    return capture(open->name, c, m) && assign(rest, values, m);
  }

  // Every term a value of its own, in any order.
  bool assign(const std::vector<Term>& terms, const std::vector<ValueId>& values, Match& m) const {
    if (terms.size() != values.size()) return false;
    if (terms.empty()) return true;
    const std::vector<Term> rest(terms.begin() + 1, terms.end());
    for (size_t i = 0; i < values.size(); ++i) {
      Match trial = m;
      if (!value(terms[0], values[i], trial)) continue;
      std::vector<ValueId> others = values;
      others.erase(others.begin() + static_cast<ptrdiff_t>(i));
      if (!assign(rest, others, trial)) continue;
      m = std::move(trial);
      return true;
    }
    return false;
  }

  const GraphEditor& ed_;
  const Graph& g_;
};

}  // namespace

Result<Term> parse_formula(std::string_view text) {
  return Parser(text).parse();
}

std::optional<Match> match_formula(const GraphEditor& ed, const Term& formula, NodeId root) {
  Match m;
  m.root = root;
  if (ed.is_dead(root) || !Matcher(ed).node(formula, root, false, m)) return std::nullopt;
  for (NodeId n : m.nodes) {
    if (n == root) continue;
    const ValueId v = ed.node(n).outputs[0];
    if (ed.is_graph_output(v)) return std::nullopt;
    for (NodeId reader : ed.consumers(v))
      if (m.nodes.count(reader) == 0) return std::nullopt;
  }
  return m;
}

}  // namespace octet
