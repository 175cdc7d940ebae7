#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> unary_cases() {
  return {};
}

}  // namespace octet::test
