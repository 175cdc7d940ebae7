#include "runtime/rewrite/rule.hpp"

namespace octet {

std::span<const Rule> cleanup_rules() {
  return {};
}

}  // namespace octet
