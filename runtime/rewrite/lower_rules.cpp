#include "runtime/rewrite/rule.hpp"

namespace octet {

std::span<const Rule> lower_rules() {
  return {};
}

}  // namespace octet
