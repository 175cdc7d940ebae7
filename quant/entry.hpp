// Which graph of a model is quantized: its main one, or that of another signature.
#pragma once

#include <string>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// The graph that a signature enters; 0, the main one, for no signature. Error when there is none of that
// name.
Result<int32_t> entry_of(const ModelData& m, const std::string& signature);

// The same model with graph `entry` in the place of the main one, and the main one in its place. Doing it
// twice undoes it.
void exchange_main(ModelData& m, int32_t entry);

}  // namespace octet
