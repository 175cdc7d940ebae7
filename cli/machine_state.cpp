#include "cli/machine_state.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace octet {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::optional<double> number_in(const std::string& path) {
  const std::string line = first_line(path);
  char* end = nullptr;
  const double v = std::strtod(line.c_str(), &end);
  if (line.empty() || end == line.c_str()) return std::nullopt;
  return v;
}

}  // namespace

MachineState machine_state() {
  MachineState s;
  const std::string cpu = "/sys/devices/system/cpu/cpu0/cpufreq/";
  s.governor = first_line(cpu + "scaling_governor");
  if (const auto khz = number_in(cpu + "scaling_cur_freq")) s.mhz = *khz / 1000;
  std::error_code ec;
  for (std::filesystem::directory_iterator it("/sys/class/thermal", ec), end; !ec && it != end;
       it.increment(ec)) {
    const auto milli = number_in(it->path().string() + "/temp");
    if (milli && (!s.celsius || *milli / 1000 > *s.celsius)) s.celsius = *milli / 1000;
  }
  s.load = number_in("/proc/loadavg").value_or(0);
  return s;
}

Json to_json(const MachineState& s) {
  return {{"governor", s.governor.empty() ? Json(nullptr) : Json(s.governor)},
          {"mhz", s.mhz ? Json(*s.mhz) : Json(nullptr)},
          {"celsius", s.celsius ? Json(*s.celsius) : Json(nullptr)},
          {"load", s.load}};
}

int64_t peak_rss_bytes() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmHWM:")) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

void reset_peak_rss() {
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets VmHWM
}

}  // namespace octet
