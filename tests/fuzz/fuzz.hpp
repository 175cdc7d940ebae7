// The fuzzers' bodies: any bytes may go in, and nothing but a return may come out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octet::test {

int fuzz_model(const uint8_t* data, size_t size);  // read, write what was read, read again
int fuzz_run(const uint8_t* data, size_t size);    // read, plan and run, on both backends

}  // namespace octet::test
