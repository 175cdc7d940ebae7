// The thread pool kernels run on: pthreadpool behind a small face.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

struct pthreadpool;

namespace octet {

// Not copyable; one pool may serve several executors, calls from several threads are serialized inside.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // threads >= 1; one thread means the caller's own, no pool is made
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  pthreadpool* raw() const { return pool_; }  // nullptr with one thread; what XNNPACK takes

  // Call f(begin, end) over [0, n) cut into ranges of about `grain` or more; returns when all are done.
  // f must not throw. Which thread runs which range does not matter to the result.
  template <class F>
  void for_range(size_t n, size_t grain, const F& f) {
    if (n == 0) return;
    const size_t tiles = std::min<size_t>(static_cast<size_t>(threads_) * 4, n / std::max<size_t>(grain, 1));
    if (threads_ == 1 || tiles <= 1) {
      f(size_t{0}, n);
      return;
    }
    const size_t tile = (n + tiles - 1) / tiles;
    run([](void* ctx, size_t begin, size_t count) { (*static_cast<const F*>(ctx))(begin, begin + count); },
        const_cast<void*>(static_cast<const void*>(&f)), n, tile);
  }

 private:
  void run(void (*task)(void*, size_t, size_t), void* context, size_t range, size_t tile);
  pthreadpool* pool_ = nullptr;
  int threads_;
};

}  // namespace octet
