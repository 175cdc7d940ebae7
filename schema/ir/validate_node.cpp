#include "schema/ir/validate_node.hpp"

#include <cmath>
#include <fmt/format.h>

namespace octet {
namespace {

// The alternative of Attrs that ops.def gives each kind.
size_t attrs_index_of(OpKind kind) {
  switch (kind) {
#define OCTET_OP(k, code, attrs, table) \
  case OpKind::k: return Attrs(attrs{}).index();
#include "octet/try.hpp"
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: return Attrs(UnknownAttrs{}).index();
  }
  return std::variant_npos;
}

Status at_least(int32_t value, int32_t least, std::string_view what) {
  if (value >= least) return {};
  return Status::corrupt(fmt::format("has {} {}", what, value));
}

// One overload per kind of field; which fields a struct has decides which are called.
template <class A>
Status check_fields(const A& a) {
  if constexpr (requires { a.stride_d; }) OCTET_TRY(at_least(a.stride_d, 1, "stride"));
  if constexpr (requires { a.stride_h; }) {
    OCTET_TRY(at_least(a.stride_h, 1, "stride"));
    OCTET_TRY(at_least(a.stride_w, 1, "stride"));
  }
  if constexpr (requires { a.dilation_d; }) OCTET_TRY(at_least(a.dilation_d, 1, "dilation"));
  if constexpr (requires { a.dilation_h; }) {
    OCTET_TRY(at_least(a.dilation_h, 1, "dilation"));
    OCTET_TRY(at_least(a.dilation_w, 1, "dilation"));
  }
  if constexpr (requires { a.filter_h; }) {
    OCTET_TRY(at_least(a.filter_h, 1, "window extent"));
    OCTET_TRY(at_least(a.filter_w, 1, "window extent"));
  }
  if constexpr (requires { a.block_size; }) OCTET_TRY(at_least(a.block_size, 1, "block size"));
  if constexpr (requires { a.padding; }) {
    const Padding& p = a.padding;
    if (p.kind == Padding::Kind::explicit_)
      for (const int32_t amount : {p.top, p.bottom, p.left, p.right})
        OCTET_TRY(at_least(amount, 0, "padding"));
  }
  if constexpr (requires { a.act; }) {
    const Activation& act = a.act;
    if (act.kind == Activation::Kind::clamp && !(act.lo <= act.hi))
      return Status::corrupt(fmt::format("has a clamp to [{}, {}]", act.lo, act.hi));
  }
  return {};
}

// Control flow: the called graphs take and give what the operator does.
Status check_call(const ModelData& m, int32_t callee, std::string_view role, size_t inputs, size_t outputs) {
  const Graph& g = m.graphs[static_cast<size_t>(callee)];
  if (g.inputs.size() == inputs && g.outputs.size() == outputs) return {};
  return Status::corrupt(fmt::format("its {} takes {} inputs and gives {} outputs, instead of {} and {}",
                                     role, g.inputs.size(), g.outputs.size(), inputs, outputs));
}

}  // namespace

std::vector<int32_t> called_graphs(const Node& n) {
  if (const auto* a = std::get_if<IfAttrs>(&n.attrs)) return {a->then_graph, a->else_graph};
  if (const auto* a = std::get_if<WhileAttrs>(&n.attrs)) return {a->cond_graph, a->body_graph};
  if (const auto* a = std::get_if<CallOnceAttrs>(&n.attrs)) return {a->init_graph};
  return {};
}

Status validate_node(const ModelData& m, const Node& n) {
  if (n.attrs.index() != attrs_index_of(n.kind))
    return Status::corrupt("has attributes of another kind of operator");
  OCTET_TRY(std::visit([](const auto& a) { return check_fields(a); }, n.attrs));
  for (const int32_t callee : called_graphs(n))
    if (callee < 0 || callee >= static_cast<int64_t>(m.graphs.size()))
      return Status::corrupt(fmt::format("calls graph {}, and there are {}", callee, m.graphs.size()));
  if (const auto* a = std::get_if<IfAttrs>(&n.attrs)) {
    if (n.inputs.empty()) return Status::corrupt("has no condition");
    OCTET_TRY(check_call(m, a->then_graph, "'then' graph", n.inputs.size() - 1, n.outputs.size()));
    OCTET_TRY(check_call(m, a->else_graph, "'else' graph", n.inputs.size() - 1, n.outputs.size()));
  }
  if (const auto* a = std::get_if<WhileAttrs>(&n.attrs)) {
    OCTET_TRY(check_call(m, a->cond_graph, "condition", n.inputs.size(), 1));
    OCTET_TRY(check_call(m, a->body_graph, "body", n.inputs.size(), n.inputs.size()));
    if (n.outputs.size() != n.inputs.size())
      return Status::corrupt(fmt::format("has {} inputs and {} outputs", n.inputs.size(), n.outputs.size()));
  }
  return {};
}

}  // namespace octet
