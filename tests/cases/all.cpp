#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> all_cases() {
  std::vector<OpCase> all;
  for (auto table : {conv_cases, matmul_cases, pool_cases, unary_cases, binary_cases, reduce_cases,
                     movement_cases, recurrent_cases, circle_cases}) {
    for (OpCase& c : table()) {
      c.name = std::string(name_of(c.kind)) + " " + c.name;
      all.push_back(std::move(c));
    }
  }
  return all;
}

}  // namespace octet::test
