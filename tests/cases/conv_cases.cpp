#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> conv_cases() {
  return {};
}

}  // namespace octet::test
