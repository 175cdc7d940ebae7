// What the comparison of int8 with float runs: a float graph for every operator that has an int8 form, and
// for the groups of operators that become one, with the shape it has in a network for edge boards.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/ir/graph.hpp"

namespace octet::bench {

struct SpeedRow {
  OpKind kind = OpKind::UNKNOWN;  // what the row is there for; UNKNOWN: a group of operators
  std::string name;               // "CONV_2D 3x3, 28x28x64"
  ModelData model;                // float
  float lo = -1, hi = 1;          // range of the inputs
  std::string_view slower;        // why int8 is not the faster one, where it is not
};

std::vector<SpeedRow> speed_rows();

// The operators that have an int8 form, work of their own in it, and no row.
std::vector<std::string_view> missing_rows(const std::vector<SpeedRow>& rows);

// The row's model with int8 activations, its inputs and outputs too, calibrated on random numbers.
struct InInt8 {
  std::shared_ptr<const ModelData> model;
  int ops_float = 0;  // operators that stayed in float
};
Result<InInt8> in_int8(const SpeedRow& row);

// One run's inputs: random numbers in the row's range as the graph takes them, 0 and 1 for indices and
// booleans.
std::vector<Constant> inputs_for(const SpeedRow& row, const Graph& g);

}  // namespace octet::bench
