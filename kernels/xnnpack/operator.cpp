#include "kernels/xnnpack/operator.hpp"

#include <fmt/format.h>

namespace octet::xnn {
namespace {

std::string_view word(xnn_status s) {
  switch (s) {
    case xnn_status_success: return "success";
    case xnn_status_uninitialized: return "not initialized";
    case xnn_status_invalid_parameter: return "invalid parameter";
    case xnn_status_invalid_state: return "invalid state";
    case xnn_status_unsupported_parameter: return "unsupported parameter";
    case xnn_status_unsupported_hardware: return "unsupported hardware";
    case xnn_status_out_of_memory: return "out of memory";
    default: return "unknown status";
  }
}

class XnnKernel final : public Kernel {
 public:
  XnnKernel(Operator op, SetupFn setup, size_t workspace)
      : op_(std::move(op)), setup_(std::move(setup)), workspace_(workspace) {}
  size_t workspace_bytes() const override { return workspace_; }
  Status run(const RunArgs& args) override {
    // The pointers differ only when the executor binds other buffers: setup costs 0.1-0.4 us.
    if (const xnn_status s = setup_(op_.get(), args); s != xnn_status_success) return status_of(s, "setup");
    if (const xnn_status s = xnn_run_operator(op_.get(), args.pool.raw()); s != xnn_status_success)
      return status_of(s, "run");
    return {};
  }

 private:
  Operator op_;
  SetupFn setup_;
  size_t workspace_;
};

}  // namespace

Status initialize() {
  static const xnn_status status = xnn_initialize(nullptr);
  if (status == xnn_status_success) return {};
  return Status::declined(fmt::format("XNNPACK does not start on this CPU: {}", word(status)));
}

Status status_of(xnn_status s, std::string_view call) {
  if (s == xnn_status_success) return {};
  return Status::internal(fmt::format("XNNPACK {}: {}", call, word(s)));
}

Status declined_of(xnn_status s, std::string_view call) {
  if (s == xnn_status_success) return {};
  return Status::declined(fmt::format("XNNPACK {}: {}", call, word(s)));
}

Status row_table_fits(int64_t taps, int64_t pixels_out) {
  constexpr int64_t kMaxRows = (int64_t{512} << 20) / static_cast<int64_t>(sizeof(void*));
  constexpr int64_t kTile = 64;  // more pixels than XNNPACK rounds up to
  if (taps > 0 && pixels_out + kTile > kMaxRows / taps)
    return Status::declined("XNNPACK's table of input rows would take more than 512 MB");
  return {};
}

std::unique_ptr<Kernel> make_xnn_kernel(Operator op, SetupFn setup, size_t workspace) {
  return std::make_unique<XnnKernel>(std::move(op), std::move(setup), workspace);
}

}  // namespace octet::xnn
