// BATCH_MATMUL by XNNPACK.
#include "kernels/linear/batch_matmul.hpp"

#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet::matmul {
namespace {

// XNNPACK transposes the right factor only; a transposed left one is turned over first.
class Product final : public Kernel {
 public:
  Product(Problem p, xnn::Operator op, size_t workspace, int64_t x_elements)
      : p_(std::move(p)),
        op_(std::move(op)),
        workspace_((workspace + 63) / 64 * 64),
        x_elements_(x_elements) {}
  size_t workspace_bytes() const override {
    return workspace_ + (p_.adj_x ? static_cast<size_t>(x_elements_) * sizeof(float) + 64 : 0);
  }
  Status run(const RunArgs& args) override {
    const auto* x = static_cast<const float*>(args.in[0]);
    if (p_.adj_x) {
      auto* to = reinterpret_cast<float*>(static_cast<std::byte*>(args.workspace) + workspace_);
      const int64_t matrix = p_.m * p_.k;
      args.pool.for_range(static_cast<size_t>(x_elements_ / p_.k), 8, [&](size_t begin, size_t end) {
        for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row)
          for (int64_t k = 0; k < p_.k; ++k)
            to[row * p_.k + k] = x[row / p_.m * matrix + k * p_.m + row % p_.m];
      });
      x = to;
    }
    OCTET_TRY(xnn::status_of(xnn_setup_batch_matrix_multiply_nc_f32(op_.get(), args.workspace, x,
                                                                    static_cast<const float*>(args.in[1]),
                                                                    static_cast<float*>(args.out[0])),
                             "setup"));
    return xnn::status_of(xnn_run_operator(op_.get(), args.pool.raw()), "run");
  }

 private:
  Problem p_;
  xnn::Operator op_;
  size_t workspace_;
  int64_t x_elements_;
};

std::vector<size_t> sizes(const Shape& s) {
  std::vector<size_t> out;
  for (int32_t d : s.dims())
    out.push_back(static_cast<size_t>(d));
  if (out.empty()) out.push_back(1);
  return out;
}

}  // namespace

KernelResult create_xnnpack(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(Problem p, problem_of(n));
  if (p.form != linear::Form::float32) return Status::declined("XNNPACK has only a float product");
  if (p.empty()) return Status::declined("nothing to compute");
  OCTET_TRY(xnn::initialize());
  xnn_operator_t raw = nullptr;
  OCTET_TRY(
      xnn::declined_of(xnn_create_batch_matrix_multiply_nc_f32(p.adj_y ? XNN_FLAG_TRANSPOSE_B : 0, &raw),
                       "create batch matrix multiply"));
  xnn::Operator op(raw);
  const std::vector<size_t> x = sizes(p.x_batch), y = sizes(p.y_batch);
  size_t workspace = 0, alignment = 0;
  OCTET_TRY(xnn::declined_of(
      xnn_reshape_batch_matrix_multiply_nc_f32(raw, x.size(), x.data(), y.data(), static_cast<size_t>(p.m),
                                               static_cast<size_t>(p.k), static_cast<size_t>(p.n), &workspace,
                                               &alignment, pool.raw()),
      "reshape batch matrix multiply"));
  const int64_t x_elements = n.in[0].elements();
  return std::unique_ptr<Kernel>(
      std::make_unique<Product>(std::move(p), std::move(op), workspace, x_elements));
}

}  // namespace octet::matmul
