#include "kernels/thread_pool.hpp"

#include <algorithm>
#include <pthreadpool.h>
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace octet {

#if defined(__SANITIZE_THREAD__)
namespace {

// The thread sanitizer does not see how pthreadpool, which is compiled without it, hands work to its threads
// and gets it back: here it is told.
struct SeenTask {
  void (*task)(void*, size_t, size_t);
  void* context;
  char begun = 0, done = 0;  // only their addresses matter
};

void run_seen(void* seen, size_t begin, size_t count) {
  auto* s = static_cast<SeenTask*>(seen);
  __tsan_acquire(&s->begun);
  s->task(s->context, begin, count);
  __tsan_release(&s->done);
}

}  // namespace
#endif

ThreadPool::ThreadPool(int threads) : threads_(std::max(threads, 1)) {
  if (threads_ > 1) pool_ = pthreadpool_create(static_cast<size_t>(threads_));
  if (pool_ == nullptr) threads_ = 1;
}

ThreadPool::~ThreadPool() {
  pthreadpool_destroy(pool_);
}

void ThreadPool::run(void (*task)(void*, size_t, size_t), void* context, size_t range, size_t tile) {
#if defined(__SANITIZE_THREAD__)
  SeenTask seen{task, context};
  __tsan_release(&seen.begun);
  pthreadpool_parallelize_1d_tile_1d(pool_, run_seen, &seen, range, tile, 0);
  __tsan_acquire(&seen.done);
#else
  pthreadpool_parallelize_1d_tile_1d(pool_, task, context, range, tile, 0);
#endif
}

}  // namespace octet
