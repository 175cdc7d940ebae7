// Which implementation runs each case of the tables, pinned per instruction set: a fast kernel that stops
// taking a case, or an estimate that comes out otherwise, fails here. tests/pinned/<architecture>.txt has a
// line per case for the weakest instruction set, <architecture>-<isa>.txt the lines that are different for
// another one. OCTET_WRITE_PINS=1 writes the file of the OCTET_ISA at hand; the weakest first.
#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <string>

#include "kernels/cpu.hpp"
#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

using Pins = std::map<std::string, std::string>;  // case -> implementations by form

std::string chosen_for(const OpCase& c, Form form) {
  const auto p = prepare(c, form);
  if (!p.ok()) return {};
  ThreadPool pool(1);
  for (const Implementation* impl : candidates(*find_spec(c.kind), p->node()))
    if (impl->create(p->node(), pool).ok()) return std::string(impl->name);
  return {};
}

std::string pin_of(const OpCase& c) {
  std::string line = chosen_for(c, Form::float32);
  const bool is_real = std::any_of(c.inputs.begin(), c.inputs.end(), [](const CaseTensor& t) {
    return !t.absent && t.dtype == DType::float32;
  });
  if (!is_real || !c.int8 || !find_spec(c.kind)->quant.has_int8) return line;
  line += ", int8 " + chosen_for(c, Form::int8);
  if (const std::string name = chosen_for(c, Form::int16); !name.empty()) line += ", int16 " + name;
  if (c.uint8) line += ", uint8 " + chosen_for(c, Form::uint8);
  return line;
}

Pins read_pins(const std::filesystem::path& file) {
  Pins pins;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (const size_t at = line.rfind(": "); at != std::string::npos)
      pins[line.substr(0, at)] = line.substr(at + 2);
  return pins;
}

}  // namespace

TEST_CASE("each case runs on the implementation that is pinned") {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  const std::filesystem::path folder = std::filesystem::path(root) / "tests/pinned";
  const std::string architecture = cpu_architecture();
  const auto weakest = folder / (architecture + ".txt");
  const auto names = isa_names();
  const bool is_weakest = names.size() == 1;
  const auto other = folder / fmt::format("{}-{}.txt", architecture, names.back());
  const bool writes = std::getenv("OCTET_WRITE_PINS") != nullptr;
  if (!writes && !std::filesystem::exists(weakest)) {
    MESSAGE("SKIPPED: nothing is pinned for " << architecture);
    return;
  }
  Pins got;
  for (const OpCase& c : all_cases())
    got[c.name] = pin_of(c);
  if (writes) {
    const Pins base = is_weakest ? Pins() : read_pins(weakest);
    std::filesystem::create_directories(folder);
    std::ofstream out(is_weakest ? weakest : other);
    for (const auto& [name, pin] : got)
      if (const auto at = base.find(name); at == base.end() || at->second != pin)
        out << name << ": " << pin << "\n";
  }
  Pins want = read_pins(weakest);
  if (!is_weakest)
    for (const auto& [name, pin] : read_pins(other))
      want[name] = pin;
  CHECK(got.size() == want.size());
  for (const auto& [name, pin] : got)
    CHECK_MESSAGE(want[name] == pin, fmt::format("{}: runs on {}, pinned is {}", name, pin, want[name]));
}

}  // namespace octet::test
