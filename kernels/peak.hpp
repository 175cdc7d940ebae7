// The most int8 multiply-accumulates per second this machine can do, measured: what bench relates networks
// to.
#pragma once

#include <string_view>

#include "kernels/thread_pool.hpp"

namespace octet {

struct Peak {
  double gmac_per_second = 0;    // 1e9 int8 x int8 -> int32 multiply-accumulates per second, all threads
  std::string_view instruction;  // "vpdpbusd", "vpmaddwd", "sdot", "smlal", "scalar"
};

// Runs register-only loops of the widest instruction that accumulates int8 products exactly, on every thread
// of the pool at once, for about `milliseconds`; the best of several rounds.
Peak measure_int8_peak(ThreadPool& pool, int milliseconds = 60);

}  // namespace octet
