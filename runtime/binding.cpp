// Buffers of the caller in place of an executor's own, and runs that end early.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "runtime/executor.hpp"
#include "runtime/executor_shared.hpp"

namespace octet {
namespace {

// Whether steps can use `data` itself, of which `capacity` bytes may be read.
bool is_usable(const IoStorage& io, const void* data, DType dtype, int64_t bytes, size_t capacity) {
  const auto element = static_cast<uintptr_t>(std::max(bytes_of(dtype), 1));
  if (!io.bindable || reinterpret_cast<uintptr_t>(data) % element != 0) return false;
  return !io.read || capacity >= static_cast<size_t>(bytes) + kSlack;
}

}  // namespace

// Let an input or output and all that lies inside it be at `to`; nullptr: in the arena again.
void GraphExecutor::move_io(const IoStorage& io, ValueId v, std::byte* to) {
  const auto& places = plan_->places;
  const int64_t begin = to == nullptr ? 0 : places[static_cast<size_t>(v)].offset;
  std::byte* base = to == nullptr ? arena_.get() : to;
  bool moved = false;
  for (ValueId member : io.values) {
    void* at = base + (places[static_cast<size_t>(member)].offset - begin);
    moved = moved || pointers_[static_cast<size_t>(member)] != at;
    pointers_[static_cast<size_t>(member)] = at;
  }
  if (moved) find_pointers();
}

Result<Binding> GraphExecutor::bind_input(size_t i, const ConstTensorView& view, size_t capacity) {
  if (i >= input_count())
    return Status::invalid(fmt::format("there is no input {}: the graph has {}", i, input_count()));
  OCTET_TRY(check_input(i, view));
  const IoStorage& io = plan_->inputs[i];
  // Only read: bindable inputs have no step that writes into them.
  auto* data = static_cast<std::byte*>(const_cast<void*>(view.data));
  const bool direct = data != nullptr && is_usable(io, data, view.dtype, view.bytes(), capacity);
  move_io(io, plan_->graph.inputs[i], direct ? data : nullptr);
  bound_in_[i] = {data, view.shape, direct ? Binding::direct : Binding::copied};
  return bound_in_[i].binding;
}

Result<Binding> GraphExecutor::bind_output(size_t i, const TensorView& view, size_t capacity) {
  if (i >= output_count())
    return Status::invalid(fmt::format("there is no output {}: the graph has {}", i, output_count()));
  const ValueId v = plan_->graph.outputs[i];
  const Value& value = plan_->graph.value(v);
  const bool is_late = plan_->places[static_cast<size_t>(v)].storage == Storage::heap;
  if (view.dtype != value.dtype || (!is_late && view.shape != shapes_[static_cast<size_t>(v)]))
    return Status::invalid(fmt::format("output '{}' is {} {}, got room for {} {}", value.name,
                                       name_of(value.dtype), shapes_[static_cast<size_t>(v)].to_string(),
                                       name_of(view.dtype), view.shape.to_string()));
  if (view.data == nullptr && view.bytes() > 0)
    return Status::invalid(fmt::format("the buffer for output '{}' has no data", value.name));
  const IoStorage& io = plan_->outputs[i];
  const bool direct = view.data != nullptr && is_usable(io, view.data, view.dtype, view.bytes(), capacity);
  move_io(io, v, direct ? static_cast<std::byte*>(view.data) : nullptr);
  bound_out_[i] = {view.data, view.shape, direct ? Binding::direct : Binding::copied};
  return bound_out_[i].binding;
}

void GraphExecutor::unbind() {
  for (size_t i = 0; i < bound_in_.size(); ++i)
    move_io(plan_->inputs[i], plan_->graph.inputs[i], nullptr);
  for (size_t i = 0; i < bound_out_.size(); ++i)
    move_io(plan_->outputs[i], plan_->graph.outputs[i], nullptr);
  bound_in_.assign(bound_in_.size(), {});
  bound_out_.assign(bound_out_.size(), {});
}

Status GraphExecutor::copy_outputs() const {
  for (size_t i = 0; i < bound_out_.size(); ++i) {
    const BoundBuffer& b = bound_out_[i];
    if (b.data == nullptr || b.binding == Binding::direct) continue;
    const ConstTensorView from = output(i);
    if (from.shape != b.shape)
      return Status::invalid(fmt::format("output '{}' has shape {}, its buffer is bound for {}",
                                         plan_->graph.value(plan_->graph.outputs[i]).name,
                                         from.shape.to_string(), b.shape.to_string()));
    if (from.bytes() > 0) std::memcpy(b.data, from.data, static_cast<size_t>(from.bytes()));
  }
  return {};
}

void GraphExecutor::cancel() {
  shared_->cancelled.store(true, std::memory_order_relaxed);
}

void GraphExecutor::clear_cancel() {
  shared_->cancelled.store(false, std::memory_order_relaxed);
}

void GraphExecutor::set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) {
  shared_->deadline = deadline;
}

Status GraphExecutor::check_stop() const {
  if (shared_->cancelled.load(std::memory_order_relaxed) && shared_->cancelled.exchange(false))
    return {Code::cancelled, "the run was cancelled"};
  if (shared_->deadline && std::chrono::steady_clock::now() >= *shared_->deadline)
    return {Code::deadline_exceeded, "the run took longer than its deadline"};
  return {};
}

}  // namespace octet
