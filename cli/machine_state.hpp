// What the machine is doing while something is measured, as far as it tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.hpp"

namespace octet {

struct MachineState {
  std::string governor;                // "performance"; empty: unknown
  std::optional<double> mhz, celsius;  // of CPU 0; of the hottest zone
  double load = 0;                     // load average of the last minute
};
MachineState machine_state();
Json to_json(const MachineState& s);

// Greatest resident memory of this process so far, in bytes, and a fresh start of that count.
int64_t peak_rss_bytes();
void reset_peak_rss();

}  // namespace octet
