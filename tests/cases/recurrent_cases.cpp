#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> recurrent_cases() {
  return {};
}

}  // namespace octet::test
