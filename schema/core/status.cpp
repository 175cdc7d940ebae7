#include "octet/status.hpp"

#include <cstdio>
#include <cstdlib>

namespace octet::detail {

void fail(std::string_view mistake, std::string_view message) {
  std::fprintf(stderr, "octet: %.*s: %.*s\n", static_cast<int>(mistake.size()), mistake.data(),
               static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace octet::detail
