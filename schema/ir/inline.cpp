#include "schema/ir/inline.hpp"

#include <fmt/format.h>
#include <map>

#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int kInlineMaxDepth = 32;
constexpr size_t kMaxAdded = 1 << 20;  // operators and tensors

const UnknownAttrs* composite_of(const Node& n) {
  const auto* a = std::get_if<UnknownAttrs>(&n.attrs);
  return a != nullptr && a->decomposition >= 0 ? a : nullptr;
}

class Inliner {
 public:
  explicit Inliner(ModelData& m) : m_(m), state_(m.graphs.size(), State::untouched) {}

  Status run() {
    for (size_t i = 0; i < m_.graphs.size(); ++i)
      OCTET_TRY(expand(i, 0));
    for (const auto& [name, count] : names_)
      m_.notes.push_back(fmt::format("spelled out {} composite operators '{}'", count, name));
    return {};
  }

 private:
  enum class State : char { untouched, open, done };

  Status expand(size_t graph, int depth) {
    if (state_[graph] == State::done) return {};
    if (state_[graph] == State::open) return Status::corrupt("contains itself");
    if (depth > kInlineMaxDepth) return Status::corrupt("is nested too deeply");
    state_[graph] = State::open;
    std::vector<Node> nodes = std::move(m_.graphs[graph].nodes);
    std::vector<Node>& result = m_.graphs[graph].nodes;
    result.clear();
    for (Node& n : nodes) {
      const UnknownAttrs* composite = composite_of(n);
      if (composite == nullptr) {
        result.push_back(std::move(n));
        continue;
      }
      Status s = spell_out(graph, n, composite->decomposition, depth);
      // The outermost operator is the one that a user can find in the file.
      if (!s.ok())
        return depth > 0 ? s : std::move(s).at(fmt::format("composite operator '{}'", composite->name));
      ++names_[composite->name];
    }
    state_[graph] = State::done;
    return {};
  }

  Status spell_out(size_t graph, const Node& call, int32_t body, int depth) {
    const auto callee = static_cast<size_t>(body);
    if (callee >= m_.graphs.size())
      return Status::corrupt(fmt::format("graph {} does not exist (there are {})", callee, m_.graphs.size()));
    OCTET_TRY(expand(callee, depth + 1));
    return replace(m_.graphs[graph], call, m_.graphs[callee]);
  }

  // Adds the operators of `body` to `g` in the place of `call`.
  Status replace(Graph& g, const Node& call, const Graph& body) {
    if (call.inputs.size() != body.inputs.size() || call.outputs.size() != body.outputs.size())
      return Status::corrupt(fmt::format("has {} inputs and {} outputs, its graph {} and {}",
                                         call.inputs.size(), call.outputs.size(), body.inputs.size(),
                                         body.outputs.size()));
    constexpr ValueId kNew = -2;
    std::vector<ValueId> id(body.values.size(), kNew);
    for (size_t i = 0; i < call.inputs.size(); ++i)
      id[static_cast<size_t>(body.inputs[i])] = call.inputs[i];
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      ValueId& known = id[static_cast<size_t>(body.outputs[i])];
      const Value &from = body.value(body.outputs[i]), &to = g.value(call.outputs[i]);
      if (from.dtype != to.dtype)
        return Status::corrupt(fmt::format("output '{}' is {}, that of its graph {}", to.name,
                                           name_of(to.dtype), name_of(from.dtype)));
      if (known != kNew || from.is_constant())
        return Status::unsupported(
            fmt::format("output '{}' is an input, a constant or another output", to.name));
      known = call.outputs[i];
    }
    added_ += body.nodes.size() + body.values.size();
    if (added_ > kMaxAdded) return Status::corrupt("spells out to more than a million operators and tensors");
    for (size_t i = 0; i < body.values.size(); ++i)
      if (id[i] == kNew) {
        id[i] = static_cast<ValueId>(g.values.size());
        g.values.push_back(body.values[i]);
      }
    const auto translate = [&](std::vector<ValueId>& ids) {
      for (ValueId& v : ids)
        if (v != kNoValue) v = id[static_cast<size_t>(v)];
    };
    for (Node n : body.nodes) {
      translate(n.inputs);
      translate(n.outputs);
      translate(n.intermediates);
      for (ValueId v : n.outputs)
        if (v == kNoValue) return Status::corrupt("its graph writes an input that is absent");
      g.nodes.push_back(std::move(n));
    }
    return {};
  }

  ModelData& m_;
  std::vector<State> state_;
  std::map<std::string, int> names_;
  size_t added_ = 0;
};

}  // namespace

Status inline_composites(ModelData& m) {
  return Inliner(m).run();
}

}  // namespace octet
