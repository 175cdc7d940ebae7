// Run one operator on given bytes with given types and quantization, on every implementation it has.
#pragma once

#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

#include "kernels/node_runner.hpp"
#include "octet/try.hpp"

namespace octet::test {

struct RawTensor {
  DType dtype = DType::float32;
  Shape shape;
  Quantization quant;
  std::vector<std::byte> bytes;
  bool known = true;  // whether shape inference may look at the bytes

  template <class T>
  static RawTensor of(Shape s, const std::vector<T>& v, Quantization q = {}, DType t = dtype_of<T>()) {
    RawTensor r{t, s, std::move(q), {}};
    r.bytes.resize(v.size() * sizeof(T) + 64);
    if (!v.empty()) std::memcpy(r.bytes.data(), v.data(), v.size() * sizeof(T));
    return r;
  }
  template <class T>
  std::vector<T> as() const {
    std::vector<T> v(static_cast<size_t>(shape.elements()));
    if (!v.empty()) std::memcpy(v.data(), bytes.data(), v.size() * sizeof(T));
    return v;
  }
};

struct NodeRunner {
  OpKind kind;
  Attrs attrs;
  std::vector<RawTensor> in;
  std::vector<RawTensor> out;  // types and quantization

  std::vector<TensorDesc> descs(const std::vector<RawTensor>& tensors, bool inputs) const {
    std::vector<TensorDesc> d;
    for (const RawTensor& t : tensors)
      d.push_back({.name = "t",
                   .dtype = t.dtype,
                   .shape = t.shape,
                   .quant = t.quant,
                   .data = inputs && t.known ? t.bytes.data() : nullptr});
    return d;
  }
  Result<InferredShapes> infer() const {
    const auto i = descs(in, true), o = descs(out, false);
    return infer_shapes(*find_spec(kind), {kind, &attrs, i, o});
  }
  // Outputs of implementation `index`: 0 is the reference, then the fast ones.
  Result<std::vector<RawTensor>> run(size_t index) const {
    const OpSpec& spec = *find_spec(kind);
    OCTET_ASSIGN(const InferredShapes shapes, infer());
    std::vector<RawTensor> results = out;
    for (size_t i = 0; i < results.size(); ++i)
      results[i].shape = shapes.shapes[i];
    const auto i = descs(in, true), o = descs(results, false);
    const NodeDesc node{kind, &attrs, i, o};
    ThreadPool pool(index % 2 == 0 ? 1 : 2);
    OCTET_ASSIGN(auto kernel, (index == 0 ? spec.reference : spec.fast[index - 1]).create(node, pool));
    std::vector<const void*> inputs;
    for (const RawTensor& t : in)
      inputs.push_back(t.bytes.data());
    std::vector<void*> outputs;
    for (size_t k = 0; k < results.size(); ++k) {
      results[k].bytes.resize(static_cast<size_t>(o[k].bytes()) + 64);
      outputs.push_back(results[k].bytes.data());
    }
    Workspace workspace;
    OCTET_TRY(run_kernel(*kernel, inputs, outputs, workspace, pool));
    return results;
  }
  // Output 0 must equal `expect` on every implementation that takes the case.
  template <class T>
  void expect(const std::vector<T>& want) const {
    for (size_t k = 0; k <= find_spec(kind)->fast.size(); ++k) {
      CAPTURE(name_of(kind));
      CAPTURE(k);
      auto got = run(k);
      if (k > 0 && !got.ok() && got.status().code() == Code::declined) continue;
      REQUIRE_MESSAGE(got.ok(), got.status().message());
      CHECK((*got)[0].as<T>() == want);
    }
  }
};

}  // namespace octet::test
