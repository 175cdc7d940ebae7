// How far two models are apart on samples: octet/compare.hpp, of models inside the library.
#pragma once

#include "octet/compare.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

Result<Comparison> compare(const ModelData& a, const ModelData& b, SampleSource& samples,
                           const CompareOptions& options = {});

}  // namespace octet
