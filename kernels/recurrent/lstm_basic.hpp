// The "basic" kernel of LSTM, which older converters wrote: one matrix for all gates over [input, output].
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

Result<InferredShapes> infer_basic_lstm(const NodeDesc& n);
KernelResult create_basic_lstm(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
