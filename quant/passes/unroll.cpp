#include "quant/passes/unroll.hpp"

#include <array>
#include <set>

#include "octet/try.hpp"

namespace octet {
namespace {

// What a VAR_HANDLE refers to.
const VarHandleAttrs* variable_of(const Node& n) {
  return std::get_if<VarHandleAttrs>(&n.attrs);
}

// The variables the main graph reads, and how they look.
struct Variable {
  VarHandleAttrs attrs;
  Value handle, contents;
};
std::vector<Variable> variables_read(const Graph& g) {
  std::vector<Variable> result;
  const Uses uses = uses_of(g);
  for (const Node& n : g.nodes) {
    if (n.kind != OpKind::READ_VARIABLE) continue;
    const NodeId from = uses.producer[static_cast<size_t>(n.inputs[0])];
    if (from < 0 || variable_of(g.nodes[static_cast<size_t>(from)]) == nullptr) continue;
    result.push_back(
        {*variable_of(g.nodes[static_cast<size_t>(from)]), g.value(n.inputs[0]), g.value(n.outputs[0])});
  }
  return result;
}

void assign_zeros(Graph& g, const Variable& v) {
  const ValueId handle = g.add_value(v.handle);
  Value zeros = v.contents;
  zeros.name += "_initial";
  zeros.constant =
      Constant::copy_of(std::vector<std::byte>(static_cast<size_t>(byte_size(zeros.dtype, zeros.shape))));
  const ValueId contents = g.add_value(std::move(zeros));
  Node n;
  n.kind = OpKind::VAR_HANDLE;
  n.attrs = v.attrs;
  n.outputs = {handle};
  g.nodes.push_back(n);
  n = Node{};
  n.kind = OpKind::ASSIGN_VARIABLE;
  n.attrs = NoAttrs{};
  n.inputs = {handle, contents};
  g.nodes.push_back(std::move(n));
}

}  // namespace

Result<FusionReport> unroll(ModelData& m, const Keep& keep, NodeMarks& int16_activations) {
  std::set<std::string> known;
  for (const Variable& v : variables_read(m.main()))
    known.insert(v.attrs.container + '\n' + v.attrs.shared_name);
  const std::array tables = {recurrent_rules()};
  OCTET_ASSIGN(FusionReport report, rewrite(m.main(), tables, keep, &int16_activations));
  Graph initialize;
  initialize.name = "initialize";
  for (const Variable& v : variables_read(m.main()))
    if (known.insert(v.attrs.container + '\n' + v.attrs.shared_name).second) assign_zeros(initialize, v);
  if (initialize.nodes.empty()) return report;
  Node once;
  once.kind = OpKind::CALL_ONCE;
  once.attrs = CallOnceAttrs{.init_graph = static_cast<int32_t>(m.graphs.size())};
  m.graphs.push_back(std::move(initialize));
  m.main().nodes.insert(m.main().nodes.begin(), std::move(once));
  int16_activations.insert(int16_activations.begin(), 0);
  return report;
}

}  // namespace octet
