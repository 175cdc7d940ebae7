#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> movement_cases() {
  return {};
}

}  // namespace octet::test
