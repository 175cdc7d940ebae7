#include <bit>
#include <cmath>
#include <doctest/doctest.h>

#include "octet/tensor.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/half.hpp"
#include "schema/core/strides.hpp"
#include "schema/ir/op_kind.hpp"

namespace octet {

TEST_CASE("half precision: every half survives the way through float") {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = half_to_float(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    CHECK(float_to_half(f) == h);
  }
  CHECK(half_to_float(0x3c00) == 1.0f);
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(float_to_half(65520.0f) == 0x7c00);         // halfway to 65536 rounds to infinity
  CHECK(float_to_half(1.0f + 0x1p-11f) == 0x3c00);  // a tie goes to even
}

TEST_CASE("shape counts elements and never overflows") {
  CHECK(Shape{}.elements() == 1);
  CHECK(Shape{2, 3, 4}.elements() == 24);
  CHECK(Shape{INT32_MAX, INT32_MAX, INT32_MAX}.elements() == INT64_MAX);
  CHECK(Shape{2, 3, 4}[-1] == 4);
  CHECK(Shape{2, 3}.to_string() == "2x3");
  CHECK(strides_of(Shape{2, 3, 4})[0] == 12);
}

TEST_CASE("checked arithmetic sees overflow") {
  CHECK(!checked_mul(INT64_MAX, 2));
  CHECK(!checked_add(INT64_MAX, 1));
  CHECK(checked_mul(3, 4) == 12);
  CHECK(!checked_cast<int8_t>(128));
  CHECK(checked_cast<int8_t>(-128) == -128);
}

TEST_CASE("operator kinds and codes are a bijection") {
  for (int i = 0; i < kOpKindCount; ++i) {
    const auto kind = static_cast<OpKind>(i);
    CHECK(op_kind_of_code(builtin_code_of(kind)) == kind);
    CHECK(op_kind_of_name(name_of(kind)) == kind);
  }
  CHECK(!op_kind_of_code(31));
}

}  // namespace octet
