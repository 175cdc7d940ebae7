#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> binary_cases() {
  return {};
}

}  // namespace octet::test
