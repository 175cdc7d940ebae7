#include "runtime/rewrite/rule.hpp"

namespace octet {

std::span<const Rule> layout_rules() {
  return {};
}

}  // namespace octet
