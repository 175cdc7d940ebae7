// Half precision as bits.
#pragma once

#include <cstdint>

namespace octet {

float half_to_float(uint16_t h);
uint16_t float_to_half(float f);  // round to nearest even

}  // namespace octet
