// The packed weights of an XNNPACK operator. XNNPACK asks a "weights cache" where to write them and whether
// they are there already; here each operator has one of its own, which holds one entry: that of the node.
#pragma once

#include <memory>
#include <xnnpack.h>

#include "kernels/packed.hpp"

namespace octet::xnn {

class Weights {
 public:
  // Used by XNNPACK while an operator of node `n` is created; afterwards only the bytes are.
  explicit Weights(const NodeDesc& n);
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  xnn_weights_cache_t cache() { return &provider_; }

 private:
  void* reserve(size_t bytes) noexcept;
  void keep(size_t bytes) noexcept;
  static Weights& self(void* context) { return *static_cast<Weights*>(context); }

  PackedNode* node_;
  PackedBytes bytes_;                   // once they are packed
  std::shared_ptr<std::byte> scratch_;  // while they are
  xnn_weights_cache_provider provider_;
};

}  // namespace octet::xnn
