// Balanced channels (quant/passes/balance.hpp) in a quantization: the data, and what is kept in the file.
#pragma once

#include "quant/passes/balance.hpp"
#include "quant/pipeline.hpp"

namespace octet {

// `prepared` with its channels balanced by what they hold on the samples; as it is when there is nothing to
// rescale. What was rescaled by what is kept in the model's metadata.
Result<PreparedModel> balance(const PreparedModel& prepared, CorrectionSamples samples,
                              const StepOptions& options);
// The same with exponents that are given.
Result<PreparedModel> balance_with(const PreparedModel& prepared, const ChannelExponents& exponents);

// What the metadata of a model says of it: an entry "octet.exponents/<name of the value>" has a signed byte
// per channel. A value times 2^(exponent / kExponentSteps) is what the source model computes. Whether there
// is such a value, and with so many channels, is for the caller to see.
ChannelExponents exponents_of(const ModelData& model);

}  // namespace octet
