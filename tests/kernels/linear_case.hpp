// A node with given data, run by one implementation: what the tests of convolutions and products start from.
#pragma once

#include <doctest/doctest.h>
#include <memory>
#include <random>
#include <vector>

#include "kernels/node_runner.hpp"

namespace octet::test {

inline Quantization per_tensor(float scale, int64_t zero = 0) {
  return Quantization::per_tensor({scale, zero});
}

template <class T>
TensorDesc tensor(std::string_view name, Shape s, const std::vector<T>& v, Quantization q = {}) {
  return {.name = name, .dtype = dtype_of<T>(), .shape = s, .quant = std::move(q), .data = v.data()};
}

// A node whose inputs are all known and whose output has the given type.
struct Case {
  OpKind kind;
  Attrs attrs;
  std::vector<TensorDesc> in;
  std::vector<TensorDesc> out;

  Case(OpKind k, Attrs a, std::vector<TensorDesc> i, DType type, Quantization q = {})
      : kind(k), attrs(std::move(a)), in(std::move(i)) {
    out.push_back({.name = "out", .dtype = type, .shape = {}, .quant = std::move(q)});
  }
  NodeDesc node() const { return {kind, &attrs, in, out}; }
  Status infer() {
    auto shapes = infer_shapes(*find_spec(kind), node());
    if (!shapes.ok()) return std::move(shapes).status();
    out[0].shape = shapes->shapes.at(0);
    return {};
  }
  template <class T>
  std::vector<T> run(const Implementation& impl, int threads = 1) {
    ThreadPool pool(threads);
    REQUIRE(infer().ok());
    auto kernel = impl.create(node(), pool);
    REQUIRE_MESSAGE(kernel.ok(), kernel.status().message());
    std::vector<T> y(static_cast<size_t>(out[0].elements()) + 64);
    std::vector<const void*> pointers;
    for (const TensorDesc& t : in)
      pointers.push_back(t.absent ? nullptr : t.data);
    void* to = y.data();
    Workspace workspace;
    const Status s = run_kernel(**kernel, pointers, {&to, 1}, workspace, pool);
    REQUIRE_MESSAGE(s.ok(), s.message());
    y.resize(static_cast<size_t>(out[0].elements()));
    return y;
  }
  template <class T>
  std::vector<T> reference() {
    return run<T>(find_spec(kind)->reference);
  }
};

template <class T>
std::vector<T> random_integers(size_t n, int lo, int hi, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<T> v(n);
  for (T& x : v)
    x = static_cast<T>(lo + static_cast<int>(rng() % static_cast<unsigned>(hi - lo + 1)));
  return v;
}
inline std::vector<float> random_floats(size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<float> v(n);
  for (float& x : v)
    x = static_cast<float>(static_cast<double>(rng()) / 2147483648.0 - 1.0);
  return v;
}

}  // namespace octet::test
