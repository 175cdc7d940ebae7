#include "kernels/xnnpack/weights.hpp"

#include <cstdint>
#include <new>

namespace octet::xnn {

Weights::Weights(const NodeDesc& n) : node_(n.packed) {
  if (node_ != nullptr) bytes_ = node_->find(0);
  provider_ = {
      .context = this,
      .look_up = [](void* context, const xnn_weights_cache_look_up_key*) -> size_t {
        // What XNNPACK tells of its parameters here is not all that the packed bytes depend on; but a node
        // has one operator, and that always packs the same.
        return self(context).bytes_ != nullptr ? 0 : SIZE_MAX;
      },
      .reserve_space = [](void* context, size_t bytes) { return self(context).reserve(bytes); },
      .look_up_or_insert =
          [](void* context, const xnn_weights_cache_look_up_key*, void*, size_t bytes) {
            self(context).keep(bytes);
            return size_t{0};
          },
      .is_finalized = [](void*) { return true; },
      .offset_to_addr = [](void* context, size_t) -> void* {
        return const_cast<std::byte*>(self(context).bytes_.get());
      },
      .delete_cache = [](void*) { return xnn_status_success; },
  };
}

// XNNPACK is C, which exceptions can't pass through.
void* Weights::reserve(size_t bytes) noexcept {
  try {
    scratch_ = allocate_packed(bytes);
  } catch (const std::bad_alloc&) {
    scratch_ = nullptr;
  }
  return scratch_.get();
}

void Weights::keep(size_t bytes) noexcept {
  // Some operators pack without asking whether they have to.
  if (bytes_ == nullptr) {
    bytes_ = scratch_;
    try {
      if (node_ != nullptr) bytes_ = node_->keep(0, scratch_, bytes);
    } catch (const std::bad_alloc&) {
      // Then they are this operator's alone.
    }
  }
  scratch_ = nullptr;
}

}  // namespace octet::xnn
