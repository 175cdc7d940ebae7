// Circle's own operators on hostile, odd and published input. Their numbers are in tests/cases.
#include <cmath>

#include "tests/kernels/raw_node.hpp"

using namespace octet;
using namespace octet::test;

namespace {

RawTensor floats(Shape s) {
  return RawTensor::of<float>(s, std::vector<float>(static_cast<size_t>(s.elements()), 1.0f));
}
RawTensor ints(Shape s, std::vector<int32_t> v) {
  v.resize(static_cast<size_t>(s.elements()));
  return RawTensor::of<int32_t>(s, v);
}
RawTensor out_of(DType t = DType::float32, Quantization q = {}) {
  return {.dtype = t, .shape = {}, .quant = std::move(q), .bytes = {}};
}

// Shape inference of a runner whose inputs `absent` are not there.
Result<InferredShapes> infer(const NodeRunner& r, const std::vector<size_t>& absent) {
  auto in = r.descs(r.in, true);
  for (size_t i : absent)
    in[i] = TensorDesc{.absent = true};
  const auto out = r.descs(r.out, false);
  return infer_shapes(*find_spec(r.kind), {r.kind, &r.attrs, in, out});
}

std::string why_not(const NodeRunner& r, const std::vector<size_t>& absent = {}) {
  return infer(r, absent).status().message();
}

}  // namespace

TEST_CASE("INSTANCE_NORM and RMS_NORM refuse shapes and epsilons that make no sense") {
  auto instance = [](Shape x, Shape gamma, Shape beta, float epsilon) {
    return NodeRunner{OpKind::INSTANCE_NORM,
                      InstanceNormAttrs{.epsilon = epsilon, .act = {}},
                      {floats(x), floats(gamma), floats(beta)},
                      {out_of()}};
  };
  CHECK(instance({1, 2, 2, 3}, {3}, {1}, 1e-5f).infer().ok());
  CHECK(why_not(instance({2, 3}, {3}, {3}, 0)) == "an input of 2 axes; three or four");
  CHECK(why_not(instance({1, 2, 2, 3}, {2}, {3}, 0)) == "'t' is 2, must be 3 numbers or one");
  CHECK(why_not(instance({1, 2, 2, 3}, {3}, {1, 3}, 0)) == "'t' is 1x3, must be 3 numbers or one");
  CHECK(why_not(instance({1, 3, 2}, {2}, {3}, 0)) == "'t' is 2, must be 3 numbers or one");
  CHECK(why_not(instance({1, 2, 2, 3}, {3}, {3}, -1)) == "epsilon is -1, must be 0 or positive");
  CHECK(why_not(instance({1, 2, 2, 3}, {3}, {3}, std::nanf(""))) == "epsilon is nan, must be 0 or positive");

  auto rms = [](Shape x, Shape gamma, float epsilon) {
    return NodeRunner{
        OpKind::RMS_NORM, RmsNormAttrs{.epsilon = epsilon}, {floats(x), floats(gamma)}, {out_of()}};
  };
  CHECK(why_not(rms({}, {1}, 0)) == "the input is a scalar; needs at least one axis");
  CHECK(why_not(rms({2, 4}, {2}, 0)) == "'t' is 2, must be 4 numbers or one");
  CHECK(why_not(rms({2, 4}, {4}, INFINITY)) == "epsilon is inf, must be 0 or positive");
}

TEST_CASE("normalizations of nothing") {
  NodeRunner{OpKind::INSTANCE_NORM,
             InstanceNormAttrs{},
             {floats({1, 0, 4, 2}), floats({2}), floats({2})},
             {out_of()}}
      .expect<float>({});
  NodeRunner{OpKind::RMS_NORM, RmsNormAttrs{}, {floats({3, 0}), floats({1})}, {out_of()}}.expect<float>({});
}

TEST_CASE("integers without any variance give beta, even without an epsilon") {
  const auto q = Quantization::per_tensor({0.1f, 5});
  const auto y = Quantization::per_tensor({0.5f, -3});
  NodeRunner{OpKind::INSTANCE_NORM,
             InstanceNormAttrs{.epsilon = 0, .act = {}},
             {RawTensor::of<int8_t>({1, 2, 2, 1}, {9, 9, 9, 9}, q), floats({1}), floats({1})},
             {out_of(DType::int8, y)}}
      .expect<int8_t>({-1, -1, -1, -1});  // 1 / 0.5 - 3
  NodeRunner{OpKind::RMS_NORM,
             RmsNormAttrs{.epsilon = 0},
             {RawTensor::of<int8_t>({3}, {5, 5, 5}, q), floats({1}), floats({1})},
             {out_of(DType::int8, y)}}
      .expect<int8_t>({-1, -1, -1});
}

TEST_CASE("gamma and beta may be integers with a scale") {
  // 3, 3 becomes 1, 1; gamma is 2, 4; beta 25, 100.
  NodeRunner r{
      OpKind::RMS_NORM,
      RmsNormAttrs{.epsilon = 0},
      {RawTensor::of<float>({2}, {3, 3}),
       RawTensor::of<int8_t>({2}, {4, 8}, Quantization::per_tensor({0.5f, 0})),
       RawTensor::of<int32_t>({2}, {100, 200}, Quantization::per_channel(0, {{0.25f, 0}, {0.5f, 0}}))},
      {out_of()}};
  r.expect<float>({27, 104});
  r.in[1].quant = {};
  CHECK(r.run(0).status().message() == "'t' is int8, must be float32 or quantized");
}

TEST_CASE("ROPE: what goes together") {
  auto rope = [](Shape x, Shape sin, Shape cos, RopeAttrs::Mode mode = RopeAttrs::Mode::gpt_neox) {
    return NodeRunner{
        OpKind::ROPE, RopeAttrs{.mode = mode}, {floats(x), floats(sin), floats(cos)}, {out_of()}};
  };
  const Shape x{1, 2, 3, 4};
  CHECK(rope(x, {1, 1, 3, 4}, {1, 2, 1, 4}).infer().ok());
  CHECK(why_not(rope(x, {1, 1, 2, 4}, {1, 1, 1, 4})) ==
        "table 't' is 1x1x2x4, which does not go with 1x2x3x4");
  CHECK(why_not(rope(x, {1, 1, 1, 4}, {1, 1, 1, 2})) ==
        "table 't' is 1x1x1x2, which does not go with 1x2x3x4");
  CHECK(why_not(rope(x, {4}, {4})) == "table 't' is 4, which does not go with 1x2x3x4");
  CHECK(why_not(rope({1, 1, 1, 5}, {1, 1, 1, 5}, {1, 1, 1, 5})) == "a head of 5 has no halves");
  CHECK(why_not(rope({1, 4}, {1, 4}, {1, 4})) == "the input is 1x4, must have four axes");
  CHECK(why_not(rope(x, {1, 1, 1, 4}, {1, 1, 1, 4}, RopeAttrs::Mode::gpt_j)) ==
        "the mode GPT_J, whose tables no public document describes");
}

TEST_CASE("GRU: the published example of the kernel that defines it") {
  // luci-interpreter's GRU.test.cpp in Samsung/ONE: two steps, two features, two units, no biases.
  NodeRunner r{
      OpKind::GRU,
      GruAttrs{},
      {RawTensor::of<float>({2, 1, 2}, {0.98045033f, 0.39546537f, 0.5209594f, 0.72873044f}),
       RawTensor::of<float>(
           {6, 2}, {0.8073279857635498f, -0.5218740105628967f, 0.1166749969124794f, 0.33110499382019043f,
                    0.2770330011844635f, 0.23767800629138947f, 0.1293960064649582f, 0.17175200581550598f,
                    -0.15584999322891235f, 0.8137810230255127f, -0.2667199969291687f, -0.23028500378131866f}),
       floats({6}),
       RawTensor::of<float>(
           {6, 2}, {-0.1928129941225052f, -0.4582270085811615f, -0.17884500324726105f, -0.27543601393699646f,
                    0.704787015914917f, 0.1874309927225113f, -0.28071099519729614f, -0.40605801343917847f,
                    -0.4156219959259033f, 0.6752780079841614f, 0.4272859990596771f, -0.24114100635051727f}),
       floats({6}), RawTensor::of<float>({1, 2}, {0, 0})},
      {out_of()}};
  for (size_t i : {size_t{2}, size_t{4}})
    r.in[i] = RawTensor::of<float>({6}, std::vector<float>(6, 0.0f));
  for (size_t k = 0; k < 2; ++k) {
    const auto out = r.run(k);
    REQUIRE_MESSAGE(out.ok(), out.status().message());
    CHECK((*out)[0].shape == Shape{1, 2});
    const auto h = (*out)[0].as<float>();
    CHECK(h[0] == doctest::Approx(0.22777566).epsilon(1e-6));
    CHECK(h[1] == doctest::Approx(-0.1976251).epsilon(1e-6));
  }
  // The output has the axes that the model gives it, when they hold one state.
  r.out[0].shape = {1, 1, 2};
  CHECK(r.infer()->shapes[0] == Shape{1, 1, 2});
  r.out[0].shape = {2, 1, 2};
  CHECK(r.infer()->shapes[0] == Shape{1, 2});
}

TEST_CASE("GRU refuses what is not described") {
  const NodeRunner good{
      OpKind::GRU,
      GruAttrs{},
      {floats({5, 1, 2}), floats({12, 2}), floats({12}), floats({12, 4}), floats({12}), floats({1, 4})},
      {out_of()}};
  CHECK(good.infer().ok());
  CHECK(infer(good, {2, 4}).ok());
  CHECK(why_not(good, {3}) == "input 3 is absent");
  NodeRunner r = good;
  r.attrs = GruAttrs{.act = {}, .return_sequences = true, .time_major = false};
  CHECK(why_not(r) == "return_sequences: no public document says what its output looks like");
  r.attrs = GruAttrs{.act = Activation::Kind::relu};
  CHECK(why_not(r) == "a fused activation: no public document says where it acts");
  r = good;
  r.in[0] = floats({5, 2, 2});
  CHECK(why_not(r) == "2 sequences at once: circle's GRU is described for one (steps x 1 x features)");
  r = good;
  std::swap(r.in[1], r.in[3]);  // by their names one would put them so
  CHECK(
      why_not(r) ==
      "hidden_hidden is 12x4 and hidden_input 12x2: in circle's GRU it is hidden_hidden that multiplies the "
      "input");
  r = good;
  r.in[3] = floats({12, 3});
  CHECK(why_not(r) == "weights 't' are 12x3, must be 12x4");
  r = good;
  r.in[4] = floats({4});
  CHECK(why_not(r) == "bias 't' is 4, must be 12 numbers");
  r = good;
  r.in[5].dtype = DType::int32;
  CHECK(r.run(0).status().message() == "'t' is int32, must be float32");
  r = good;
  r.in.pop_back();
  CHECK(why_not(r) == "has 5 inputs, takes 6");
  r = good;
  r.in[5] = {.dtype = DType::float32, .shape = {2000000000}, .quant = {}, .bytes = {}};
  CHECK(why_not(r) == "a state of 2000000000 numbers");
}

TEST_CASE("BCQ: shapes are checked, computing is refused by reason") {
  const NodeRunner fc{
      OpKind::BCQ_FULLY_CONNECTED,
      BcqFullyConnectedAttrs{.weights_hidden_size = 64, .act = {}},
      {floats({64, 3}), floats({8}), ints({8, 2}, {}), floats({6}), ints({2, 2}, {1, 4, 2, 2})},
      {out_of()}};
  REQUIRE(fc.infer().ok());
  CHECK(fc.infer()->shapes[0] == Shape{6, 3});
  CHECK(infer(fc, {3}).ok());
  CHECK(fc.run(0).status().message() ==
        "binary-coded weights: the order of their bits, rows and scales is not published");
  NodeRunner r = fc;
  r.in[4].known = false;
  CHECK(r.infer()->deferred);
  r = fc;
  r.in[4] = ints({2, 2}, {1, 4, 2, 3});
  CHECK(why_not(r) == "scales 't' are float32 8, must be 10 float32 with 1 axes");
  r.in[4] = ints({2, 2}, {0, 4, 2, 2});
  CHECK(why_not(r) == "cluster 0 of 't' has 4 rows of 0 signs");
  r.in[4] = ints({2, 2}, {32, INT32_MAX, 2, 2});
  CHECK(why_not(r) == "clusters 't' have too many rows");
  r.in[4] = ints({4}, {1, 4, 2, 2});
  CHECK(why_not(r) == "clusters 't' are int32 4, must be int32 nx2");
  r = fc;
  r.in[0] = floats({3, 64});
  CHECK(why_not(r) == "the input is 3x64, must be 64 x batch");
  r = fc;
  r.in[3] = floats({8});
  CHECK(why_not(r) == "biases 't' are float32 8, must be 6 float32 with 1 axes");
  r.attrs = BcqFullyConnectedAttrs{.weights_hidden_size = 0, .act = {}};
  CHECK(why_not(r) == "has a hidden size of 0");

  // The recipe that ONE's own tests use: rows 1 and 2 of a matrix of five rows and 32 columns.
  NodeRunner gather{OpKind::BCQ_GATHER,
                    BcqGatherAttrs{.input_hidden_size = 32, .axis = 0},
                    {floats({5}), ints({5, 1}, {}), ints({2}, {1, 2}), ints({1, 2}, {1, 5})},
                    {out_of()}};
  CHECK(gather.infer()->shapes[0] == Shape{2, 32});
  gather.attrs = BcqGatherAttrs{.input_hidden_size = 32, .axis = 1};
  CHECK(gather.infer()->shapes[0] == Shape{5, 2});
  gather.attrs = BcqGatherAttrs{.input_hidden_size = 32, .axis = 2};
  CHECK(why_not(gather) == "gathers along axis 2");
}
