#include "runtime/rewrite/rule.hpp"

namespace octet {

std::span<const Rule> fusion_rules() {
  return {};
}

}  // namespace octet
