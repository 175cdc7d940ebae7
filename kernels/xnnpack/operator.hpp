// RAII around one XNNPACK operator, and the small amount of code that every lowering shares.
// XNNPACK headers are included by the files in kernels/xnnpack/ only.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <xnnpack.h>

#include "kernels/op_spec.hpp"

namespace octet::xnn {

// xnn_initialize, once; an error when the CPU is not supported.
Status initialize();

// "unsupported parameter" and the like, with the name of the call that said so.
Status status_of(xnn_status s, std::string_view call);
// The same, as Code::declined: for create and reshape calls, where another implementation may still do it.
Status declined_of(xnn_status s, std::string_view call);

// XNNPACK lists the address of every input row that a window reads, for all output pixels of an image, and
// computes the size of that table unchecked: on 32 bits it wraps around. Declines where the table would be
// larger than any sensible network's.
Status row_table_fits(int64_t taps, int64_t pixels_out);

class Weights;  // kernels/xnnpack/weights.hpp

struct Deleter {
  std::shared_ptr<Weights> weights = nullptr;  // of operators that have some
  void operator()(xnn_operator_t op) const { xnn_delete_operator(op); }
};
using Operator = std::unique_ptr<xnn_operator, Deleter>;

// A kernel that owns one created and reshaped operator; `setup` binds the pointers of this run.
// setup: Status(xnn_operator_t, const RunArgs&).
using SetupFn = std::function<xnn_status(xnn_operator_t, const RunArgs&)>;
std::unique_ptr<Kernel> make_xnn_kernel(Operator op, SetupFn setup, size_t workspace = 0);

}  // namespace octet::xnn
