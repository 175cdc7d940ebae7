#include "kernels/thread_pool.hpp"

#include <algorithm>
#include <pthreadpool.h>

namespace octet {

ThreadPool::ThreadPool(int threads) : threads_(std::max(threads, 1)) {
  if (threads_ > 1) pool_ = pthreadpool_create(static_cast<size_t>(threads_));
  if (pool_ == nullptr) threads_ = 1;
}

ThreadPool::~ThreadPool() {
  pthreadpool_destroy(pool_);
}

void ThreadPool::run(void (*task)(void*, size_t, size_t), void* context, size_t range, size_t tile) {
  pthreadpool_parallelize_1d_tile_1d(pool_, task, context, range, tile, 0);
}

}  // namespace octet
