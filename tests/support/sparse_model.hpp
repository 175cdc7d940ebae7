// A model with a sparse constant, made byte by byte: Octet reads such models and writes dense ones.
#pragma once

#include <cstddef>
#include <vector>

#include "schema/ir/graph.hpp"
#include "schema/ir/sparsity.hpp"

namespace octet::test {

// How many bytes an index takes in the file.
enum class IndexWidth : uint8_t { int32 = 1, uint16 = 2, uint8 = 3 };  // numbers of the union on the wire

// The sparsity of a matrix in blocks of 2x2, as in TFLite's own example: with stored elements 1 to 12,
//   1 2 5 6
//   3 4 7 8
//   0 0 9 10
//   0 0 11 12
Sparsity blocks_of_2x2();

// y = x + DENSIFY(w), all 4x4 float32; `w` is tensor 1, with that sparsity and the data 1 to 12.
std::vector<std::byte> sparse_model(const Sparsity& sparsity = blocks_of_2x2(),
                                    IndexWidth width = IndexWidth::uint8);

}  // namespace octet::test
