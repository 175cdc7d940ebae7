#include <fmt/format.h>

#include "schema/flatbuffer/wire.hpp"

namespace octet {
namespace {

// Bytes of the well-formed UTF-8 sequence at the front of `s` (Unicode 15, table 3-7), 0 when there is none.
size_t utf8_length(std::string_view s) {
  auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  auto follows = [&](size_t i, unsigned lo = 0x80, unsigned hi = 0xbf) {
    return byte(i) >= lo && byte(i) <= hi;
  };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return follows(1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    const bool ok = b == 0xe0 ? follows(1, 0xa0) : b == 0xed ? follows(1, 0x80, 0x9f) : follows(1);
    return ok && follows(2) ? 3 : 0;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    const bool ok = b == 0xf0 ? follows(1, 0x90) : b == 0xf4 ? follows(1, 0x80, 0x8f) : follows(1);
    return ok && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// C0 controls, DEL, and the C1 controls (U+0080 to U+009F, which terminals obey too).
bool is_control(std::string_view sequence) {
  const auto b = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return b < 0x20 || b == 0x7f;
  return sequence.size() == 2 && b == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

}  // namespace

std::string clean_text(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  while (!raw.empty()) {
    const size_t n = utf8_length(raw);
    if (n == 0 || is_control(raw.substr(0, n)))
      out += '_';
    else
      out += raw.substr(0, n);
    raw.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

std::string name_of_builtin(int code) {
  const char* name = wire::EnumNameBuiltinOperator(static_cast<wire::BuiltinOperator>(code));
  return *name != '\0' ? std::string(name) : fmt::format("builtin {}", code);
}

}  // namespace octet
