// Steps that involve other graphs (IF, WHILE, CALL_ONCE) or resources (VAR_HANDLE, READ_VARIABLE,
// ASSIGN_VARIABLE). The executor runs them itself.
#include <cstring>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "runtime/executor.hpp"
#include "runtime/executor_shared.hpp"
#include "runtime/model_plans.hpp"

namespace octet {
namespace {

constexpr int kMaxDepth = 32;  // nested calls; a graph that calls itself ends here instead of on the stack

Result<bool> truth(const ConstTensorView& v) {
  if (v.dtype != DType::boolean || v.elements() != 1)
    return Status::invalid(
        fmt::format("the condition is {} {}, not one bool", name_of(v.dtype), v.shape.to_string()));
  return *v.as<uint8_t>() != 0;
}

struct Deeper {
  explicit Deeper(int& depth) : depth(++depth) {}
  ~Deeper() { --depth; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  int& depth;
};

}  // namespace

// The executor of subgraph `graph` for this step and these input shapes; made on first use.
Result<GraphExecutor*> GraphExecutor::subgraph(size_t step, int which, int32_t graph,
                                               const std::vector<Shape>& shapes) {
  const auto key = std::make_pair(step, which);
  auto& executor = subgraphs_[key];
  if (executor == nullptr || subgraph_shapes_[key] != shapes) {
    if (plan_->model == nullptr) return Status::internal("the graph is planned without its model");
    OCTET_ASSIGN(Prepared prepared, plan_->model->plan(graph, shapes, *shared_->pool));
    OCTET_ASSIGN(executor, create_in(shared_, std::move(prepared), false));
    subgraph_shapes_[key] = shapes;
  }
  return executor.get();
}

Status GraphExecutor::run_by_runtime(size_t s) {
  const Node& n = plan_->graph.nodes[static_cast<size_t>(plan_->steps[s].node)];
  const Deeper deeper(shared_->depth);
  if (shared_->depth > kMaxDepth)
    return Status::invalid(fmt::format("subgraphs are nested deeper than {}", kMaxDepth));

  auto call = [&](int which, int32_t graph,
                  const std::vector<ConstTensorView>& in) -> Result<GraphExecutor*> {
    std::vector<Shape> shapes;
    for (const ConstTensorView& v : in)
      shapes.push_back(v.shape);
    OCTET_ASSIGN(GraphExecutor * e, subgraph(s, which, graph, shapes));
    OCTET_TRY(e->run(in));
    return e;
  };

  switch (n.kind) {
    case OpKind::CALL_ONCE: {
      if (called_[s] != 0) return {};
      OCTET_ASSIGN([[maybe_unused]] GraphExecutor * e,
                   call(0, std::get<CallOnceAttrs>(n.attrs).init_graph, {}));
      called_[s] = 1;
      return {};
    }
    case OpKind::IF: {
      const auto& a = std::get<IfAttrs>(n.attrs);
      OCTET_ASSIGN(const bool yes, truth(view_of(n.inputs[0])));
      std::vector<ConstTensorView> in;
      for (size_t i = 1; i < n.inputs.size(); ++i)
        in.push_back(view_of(n.inputs[i]));
      OCTET_ASSIGN(GraphExecutor * e, call(yes ? 0 : 1, yes ? a.then_graph : a.else_graph, in));
      if (e->output_count() < n.outputs.size()) return Status::corrupt("the branch has too few outputs");
      for (size_t o = 0; o < n.outputs.size(); ++o)
        if (n.outputs[o] != kNoValue) OCTET_TRY(assign_value(n.outputs[o], e->output(o)));
      return {};
    }
    case OpKind::WHILE: {
      const auto& a = std::get<WhileAttrs>(n.attrs);
      if (n.inputs.size() != n.outputs.size()) return Status::corrupt("a loop has as many outputs as inputs");
      // The loop's state is in the outputs.
      for (size_t i = 0; i < n.inputs.size(); ++i)
        OCTET_TRY(assign_value(n.outputs[i], view_of(n.inputs[i])));
      while (true) {
        OCTET_TRY(check_stop());  // a loop may be over graphs without steps
        std::vector<ConstTensorView> state;
        for (ValueId v : n.outputs)
          state.push_back(view_of(v));
        OCTET_ASSIGN(GraphExecutor * cond, call(0, a.cond_graph, state));
        if (cond->output_count() < 1) return Status::corrupt("the condition has no output");
        OCTET_ASSIGN(const bool more, truth(cond->output(0)));
        if (!more) return {};
        OCTET_ASSIGN(GraphExecutor * body, call(1, a.body_graph, state));
        if (body->output_count() != n.outputs.size())
          return Status::corrupt("the body has another number of outputs");
        for (size_t o = 0; o < n.outputs.size(); ++o)
          OCTET_TRY(assign_value(n.outputs[o], body->output(o)));
      }
    }
    case OpKind::VAR_HANDLE: {
      const auto& a = std::get<VarHandleAttrs>(n.attrs);
      handles_[n.outputs[0]] = a.container + '\n' + a.shared_name;
      return {};
    }
    case OpKind::READ_VARIABLE: {
      OCTET_ASSIGN(Resource * r, resource_of(n.inputs[0]));
      if (!r->assigned) return Status::invalid("the variable is read before anything was assigned to it");
      const Value& out = plan_->graph.value(n.outputs[0]);
      return assign_value(n.outputs[0], {r->bytes.data(), r->dtype, r->shape, out.quant});
    }
    case OpKind::ASSIGN_VARIABLE: {
      OCTET_ASSIGN(Resource * r, resource_of(n.inputs[0]));
      const ConstTensorView v = view_of(n.inputs[1]);
      r->dtype = v.dtype;
      r->shape = v.shape;
      r->bytes.resize(static_cast<size_t>(v.bytes()));
      if (v.bytes() > 0) std::memcpy(r->bytes.data(), v.data, r->bytes.size());
      r->assigned = true;
      return {};
    }
    default: return Status::internal("not a step of the executor");
  }
}

Result<Resource*> GraphExecutor::resource_of(ValueId handle) {
  const auto it = handles_.find(handle);
  if (it == handles_.end())
    return Status::unsupported(fmt::format("'{}' is not the result of a VAR_HANDLE of the same graph",
                                           plan_->graph.value(handle).name));
  return &shared_->resources[it->second];
}

}  // namespace octet
