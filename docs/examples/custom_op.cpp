// custom_op MODEL: runs a model whose operator "Sinh" Octet does not know.
#include <cmath>
#include <cstdio>
#include <vector>

#include "octet/octet.hpp"
#include "octet/try.hpp"

namespace {

octet::CustomOp sinh_op() {
  octet::CustomOp op;
  op.name = "Sinh";
  op.inputs = op.outputs = {1, 1};
  op.infer = [](const octet::CustomNode& node) -> octet::Result<octet::InferredShapes> {
    return octet::InferredShapes{.deferred = false, .shapes = {node.in[0].shape}};
  };
  op.create = [](const octet::CustomNode& node) -> octet::Result<std::unique_ptr<octet::CustomKernel>> {
    if (node.in[0].dtype != octet::DType::float32) return octet::Status::unsupported("Sinh takes float32");
    return octet::custom_kernel([](std::span<const octet::ConstTensorView> in,
                                   std::span<const octet::TensorView> out) -> octet::Status {
      for (int64_t i = 0; i < in[0].elements(); ++i)
        out[0].as<float>()[i] = std::sinh(in[0].as<float>()[i]);
      return {};
    });
  };
  return op;
}

octet::Status run(const char* path) {
  auto ops = std::make_shared<octet::CustomOps>();
  OCTET_TRY(ops->add(sinh_op()));
  OCTET_ASSIGN(const octet::Model model, octet::Model::load(path));
  OCTET_ASSIGN(octet::Executor exec, octet::Executor::create(model, {.custom_ops = ops}));

  const octet::TensorInfo& in = exec.plan().inputs()[0];
  const std::vector<float> data(static_cast<size_t>(in.shape.elements()), 1.0f);
  const octet::ConstTensorView x{data.data(), in.dtype, in.shape, {}};
  OCTET_TRY(exec.run({&x, 1}));
  std::printf("sinh(1) = %.6f\n", static_cast<double>(exec.output(0).as<float>()[0]));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const octet::Status status = argc == 2 ? run(argv[1]) : octet::Status::invalid("usage: custom_op MODEL");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
