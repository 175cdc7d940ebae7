#include "runtime/storage.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/memory_plan.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

// Union of values into storage groups: each value lies at an offset inside its group's root.
class Groups {
 public:
  explicit Groups(size_t values) : parent_(values), offset_(values, 0) {
    for (size_t i = 0; i < values; ++i)
      parent_[i] = static_cast<ValueId>(i);
  }
  ValueId root(ValueId v) const {
    while (parent_[static_cast<size_t>(v)] != v)
      v = parent_[static_cast<size_t>(v)];
    return v;
  }
  int64_t offset(ValueId v) const {  // from the root
    int64_t o = 0;
    while (parent_[static_cast<size_t>(v)] != v) {
      o += offset_[static_cast<size_t>(v)];
      v = parent_[static_cast<size_t>(v)];
    }
    return o;
  }
  void join(ValueId child_root, ValueId parent, int64_t offset) {
    parent_[static_cast<size_t>(child_root)] = parent;
    offset_[static_cast<size_t>(child_root)] = offset;
  }

 private:
  std::vector<ValueId> parent_;
  std::vector<int64_t> offset_;
};

class Placer {
 public:
  Placer(ExecutionPlan& plan, const std::vector<char>& deferred)
      : plan_(plan),
        g_(plan.graph),
        workspace_(plan.workspace_bytes),
        deferred_(deferred),
        groups_(g_.values.size()) {}

  Status run() {
    find_lifetimes();
    for (size_t s = 0; s < plan_.steps.size(); ++s)
      share_forward(static_cast<int32_t>(s));
    for (size_t s = plan_.steps.size(); s-- > 0;)
      share_into_whole(static_cast<int32_t>(s));
    return allocate();
  }

 private:
  const Node& node(int32_t s) const {
    return g_.nodes[static_cast<size_t>(plan_.steps[static_cast<size_t>(s)].node)];
  }
  int64_t bytes(ValueId v) const {
    return byte_size(g_.value(v).dtype, plan_.shapes[static_cast<size_t>(v)]);
  }

  void find_lifetimes() {
    const auto n = g_.values.size();
    first_.assign(n, -1);
    last_.assign(n, -1);
    const auto end = static_cast<int32_t>(plan_.steps.size());
    for (ValueId v : g_.inputs)
      first_[static_cast<size_t>(v)] = last_[static_cast<size_t>(v)] = 0;
    for (int32_t s = 0; s < end; ++s) {
      for (ValueId v : node(s).outputs)
        if (v != kNoValue) first_[static_cast<size_t>(v)] = last_[static_cast<size_t>(v)] = s;
      for (ValueId v : node(s).inputs)
        if (v != kNoValue) last_[static_cast<size_t>(v)] = s;
    }
    for (ValueId v : g_.outputs)
      last_[static_cast<size_t>(v)] = end;
    plan_.places.assign(n, {});
    for (size_t i = 0; i < n; ++i) {
      const Value& v = g_.values[i];
      Storage& storage = plan_.places[i].storage;
      if (v.is_variable) {
        storage = Storage::variable;
      } else if (v.is_constant()) {
        storage = Storage::constant;
      } else if (first_[i] >= 0) {
        storage = deferred_[i] != 0 ? Storage::heap : Storage::arena;
      }
    }
  }

  bool in_arena(ValueId v) const {
    return v != kNoValue && plan_.places[static_cast<size_t>(v)].storage == Storage::arena;
  }
  // Nothing in v's group is needed after step s.
  bool group_dies_at(ValueId v, int32_t s) const {
    const ValueId r = groups_.root(v);
    for (size_t i = 0; i < g_.values.size(); ++i)
      if (in_arena(static_cast<ValueId>(i)) && groups_.root(static_cast<ValueId>(i)) == r && last_[i] > s)
        return false;
    return true;
  }

  // Outputs that take over, or lie inside, an input's storage.
  void share_forward(int32_t s) {
    const Step& step = plan_.steps[static_cast<size_t>(s)];
    if (step.late || step.by_runtime) return;
    const Node& n = node(s);
    const Sharing sharing = step.spec->sharing;
    if (sharing == Sharing::view && in_arena(n.input(0)) && in_arena(n.outputs[0]) &&
        bytes(n.inputs[0]) == bytes(n.outputs[0])) {
      join_output(n.outputs[0], n.inputs[0], 0);
    } else if (sharing == Sharing::in_place && in_arena(n.outputs[0])) {
      for (ValueId v : n.inputs) {
        if (!in_arena(v) || bytes(v) != bytes(n.outputs[0]) || !group_dies_at(v, s)) continue;
        if (std::count(n.inputs.begin(), n.inputs.end(), v) > 1 && step.spec->inputs.max < 0) continue;
        join_output(n.outputs[0], v, 0);
        break;
      }
    } else if (sharing == Sharing::slices && step.spec->slice_of != nullptr) {
      const NodeTensors t = describe(g_, n, plan_.shapes);
      const SliceLayout layout = step.spec->slice_of(t.desc(n));
      if (!layout.parts_are_outputs) return;
      const ValueId whole = whole_of(n);
      if (!in_arena(whole)) return;
      for (size_t i = 0; i < n.outputs.size() && i < layout.offset.size(); ++i)
        if (layout.offset[i] && in_arena(n.outputs[i]) && *layout.offset[i] >= 0 &&
            *layout.offset[i] + bytes(n.outputs[i]) <= bytes(whole))
          join_output(n.outputs[i], whole, *layout.offset[i]);
    }
  }

  // The input that is cut into parts: the only one in the arena (SPLIT has its axis first).
  ValueId whole_of(const Node& n) const {
    for (ValueId v : n.inputs)
      if (in_arena(v)) return v;
    return kNoValue;
  }

  void join_output(ValueId out, ValueId in, int64_t offset) {
    // An output is produced once and has had no chance to join anything yet, so it is its own root.
    groups_.join(out, in, offset);
  }

  // Inputs that are produced right where a concatenation wants them.
  void share_into_whole(int32_t s) {
    const Step& step = plan_.steps[static_cast<size_t>(s)];
    if (step.late || step.by_runtime || step.spec->sharing != Sharing::slices ||
        step.spec->slice_of == nullptr)
      return;
    const Node& n = node(s);
    if (!in_arena(n.outputs[0])) return;
    const NodeTensors t = describe(g_, n, plan_.shapes);
    const SliceLayout layout = step.spec->slice_of(t.desc(n));
    if (layout.parts_are_outputs) return;
    const ValueId whole = n.outputs[0];
    for (size_t i = 0; i < n.inputs.size() && i < layout.offset.size(); ++i) {
      const ValueId v = n.inputs[i];
      if (!layout.offset[i] || !in_arena(v) || std::count(n.inputs.begin(), n.inputs.end(), v) > 1) continue;
      const ValueId r = groups_.root(v);
      if (r == groups_.root(whole) || groups_.offset(v) != 0 || bytes(r) != bytes(v)) continue;
      // A group that outlives this step keeps its own storage: the whole may be overwritten in place later.
      if (!group_dies_at(v, s) || bytes(v) + *layout.offset[i] > bytes(whole)) continue;
      groups_.join(r, whole, *layout.offset[i]);
    }
  }

  Status allocate() {
    std::vector<int32_t> request_of(g_.values.size(), -1);
    std::vector<BufferRequest> requests;
    for (size_t i = 0; i < g_.values.size(); ++i) {
      const auto v = static_cast<ValueId>(i);
      if (!in_arena(v)) continue;
      const auto r = static_cast<size_t>(groups_.root(v));
      if (request_of[r] < 0) {
        request_of[r] = static_cast<int32_t>(requests.size());
        requests.push_back({.bytes = bytes(static_cast<ValueId>(r)), .first = first_[i], .last = last_[i]});
      }
      BufferRequest& q = requests[static_cast<size_t>(request_of[r])];
      q.first = std::min(q.first, first_[i]);
      q.last = std::max(q.last, last_[i]);
    }
    std::vector<int32_t> workspace_request(plan_.steps.size(), -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (workspace_[s] == 0) continue;
      workspace_request[s] = static_cast<int32_t>(requests.size());
      requests.push_back({.bytes = static_cast<int64_t>(workspace_[s]),
                          .first = static_cast<int32_t>(s),
                          .last = static_cast<int32_t>(s)});
    }
    int64_t sum = 0;
    for (const BufferRequest& r : requests) {
      const auto next = checked_add(sum, r.bytes);
      if (!next || *next > INT64_MAX / 4)
        return Status::exhausted("the tensors of this model do not fit in memory");
      sum = *next;
    }
    const MemoryPlan memory = plan_memory(requests);
    const int64_t physical = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    if (memory.total_bytes > physical)
      return Status::exhausted(
          fmt::format("needs an arena of {} bytes, this machine has {}", memory.total_bytes, physical));
    for (size_t i = 0; i < g_.values.size(); ++i) {
      const auto v = static_cast<ValueId>(i);
      if (!in_arena(v)) continue;
      const ValueId root = groups_.root(v);
      const auto r = static_cast<size_t>(request_of[static_cast<size_t>(root)]);
      plan_.places[i].offset = memory.offsets[r] + groups_.offset(v);
      plan_.places[i].group = root;
    }
    plan_.workspace_offset.assign(plan_.steps.size(), -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s)
      if (workspace_request[s] >= 0)
        plan_.workspace_offset[s] = memory.offsets[static_cast<size_t>(workspace_request[s])];
    plan_.arena_bytes = memory.total_bytes;
    plan_.arena_lower_bound = memory.lower_bound;
    mark_elided();
    for (ValueId v : g_.inputs)
      plan_.inputs.push_back(io_storage(v, true));
    for (ValueId v : g_.outputs)
      plan_.outputs.push_back(io_storage(v, false));
    return {};
  }

  IoStorage io_storage(ValueId of, bool is_input) const {
    IoStorage io;
    if (!in_arena(of)) return io;
    const ValueId root = groups_.root(of);
    const int64_t begin = groups_.offset(of), end = begin + bytes(of);
    io.bindable = true;
    for (size_t i = 0; i < g_.values.size(); ++i) {
      const auto v = static_cast<ValueId>(i);
      if (!in_arena(v) || groups_.root(v) != root) continue;
      io.values.push_back(v);
      if (groups_.offset(v) < begin || groups_.offset(v) + bytes(v) > end) io.bindable = false;
    }
    const auto holds = [&](ValueId v) { return std::count(io.values.begin(), io.values.end(), v) != 0; };
    if (std::count_if(g_.inputs.begin(), g_.inputs.end(), holds) +
            std::count_if(g_.outputs.begin(), g_.outputs.end(), holds) !=
        1)
      io.bindable = false;
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (plan_.steps[s].elided) continue;
      const Node& n = node(static_cast<int32_t>(s));
      io.read = io.read || std::any_of(n.inputs.begin(), n.inputs.end(), holds);
      if (is_input && std::any_of(n.outputs.begin(), n.outputs.end(), holds)) io.bindable = false;
    }
    return io;
  }

  void mark_elided() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      Step& step = plan_.steps[s];
      if (step.late || step.by_runtime) continue;
      const Node& n = node(static_cast<int32_t>(s));
      if (step.spec->sharing == Sharing::view) {
        step.elided =
            in_arena(n.input(0)) && in_arena(n.outputs[0]) && same_place(n.inputs[0], n.outputs[0], 0);
      } else if (step.spec->sharing == Sharing::slices && step.spec->slice_of != nullptr) {
        const NodeTensors t = describe(g_, n, plan_.shapes);
        const SliceLayout layout = step.spec->slice_of(t.desc(n));
        const ValueId whole = layout.parts_are_outputs ? whole_of(n) : n.outputs[0];
        const auto& parts = layout.parts_are_outputs ? n.outputs : n.inputs;
        step.elided = in_arena(whole) && layout.offset.size() == parts.size();
        for (size_t i = 0; step.elided && i < parts.size(); ++i)
          step.elided =
              layout.offset[i] && in_arena(parts[i]) && same_place(whole, parts[i], *layout.offset[i]);
      }
    }
  }
  bool same_place(ValueId a, ValueId b, int64_t offset) const {
    return groups_.root(a) == groups_.root(b) && groups_.offset(a) + offset == groups_.offset(b);
  }

  ExecutionPlan& plan_;
  const Graph& g_;
  const std::vector<size_t>& workspace_;
  const std::vector<char>& deferred_;
  Groups groups_;
  std::vector<int32_t> first_, last_;
};

}  // namespace

Status place_values(ExecutionPlan& plan, const std::vector<char>& deferred) {
  return Placer(plan, deferred).run();
}

}  // namespace octet
