// Model of the public interface: from files and memory, looking inside, saving.
#include "octet/model.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "octet/convert.hpp"
#include "octet/executor.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

Model model_of(ModelData data) {
  return std::make_shared<const ModelData>(std::move(data));
}

std::vector<std::byte> bytes_of_model(const ModelData& data) {
  const auto bytes = serialize(data);
  REQUIRE(bytes.ok());
  return *bytes;
}

// A folder that is gone afterwards.
struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "octet-api-XXXXXX").string();
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("a model from memory is the model from a file") {
  const std::vector<std::byte> bytes = bytes_of_model(test::runnable_model());
  const Folder folder;
  const std::string path = folder.path + "/m.tflite";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto file = Model::load(path);
  const auto memory = Model::from_memory(bytes);
  REQUIRE(file.ok());
  REQUIRE(memory.ok());
  CHECK(file->path() == path);
  CHECK(file->file_bytes() == static_cast<int64_t>(bytes.size()));
  CHECK(*file->serialize() == *memory->serialize());
}

TEST_CASE("borrowed bytes live as long as any part of the model, and are not read beyond their end") {
  const std::vector<std::byte> bytes = bytes_of_model(test::runnable_model());
  // The file ends where readable memory ends.
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t readable = (bytes.size() + page - 1) / page * page;
  void* memory = ::mmap(nullptr, readable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  REQUIRE(::mprotect(static_cast<std::byte*>(memory) + readable, page, PROT_NONE) == 0);
  std::byte* at = static_cast<std::byte*>(memory) + readable - bytes.size();
  std::memcpy(at, bytes.data(), bytes.size());
  bool released = false;
  {
    std::shared_ptr<const void> owner(memory, [&](const void* p) {
      released = true;
      ::munmap(const_cast<void*>(p), readable + page);
    });
    auto model = Model::from_memory({at, bytes.size()}, std::move(owner));
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    auto exec = Executor::create(*model);
    REQUIRE(exec.ok());
    model = Status::invalid("gone");
    CHECK(!released);
    std::vector<std::vector<float>> data;
    std::vector<ConstTensorView> in;
    for (const TensorInfo& t : exec->plan().inputs()) {
      data.emplace_back(static_cast<size_t>(t.shape.elements()), 0.5f);
      in.push_back({data.back().data(), t.dtype, t.shape, {}});
    }
    CHECK(exec->run(in).ok());
    CHECK(!released);
  }
  CHECK(released);
}

TEST_CASE("errors of loading name the file") {
  const Folder folder;
  const std::string path = folder.path + "/none.tflite";
  const auto missing = Model::load(path);
  CHECK(missing.status().message().starts_with(path + ": "));
  CHECK(missing.status().code() == Code::io_error);
  const std::vector<std::byte> nonsense(100);
  const auto corrupt = Model::from_memory(nonsense, "net");
  CHECK(corrupt.status().code() == Code::corrupt_model);
  CHECK(corrupt.status().message().starts_with("net: "));
  CHECK(Model::from_memory({}).status().code() != Code::ok);
}

TEST_CASE("the value of an error that is used all the same says so and aborts") {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not doctest's
    ::close(STDERR_FILENO);
    const auto model = Model::load("/no/such/file.tflite");
    ::_exit(model->path().empty() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("a model is saved in the format that is asked for, or that of the ending") {
  const Model model = model_of(test::rich_model());
  const Folder folder;
  REQUIRE(model.save(folder.path + "/a.circle").ok());
  REQUIRE(model.save(folder.path + "/b.tflite", Format::circle).ok());
  REQUIRE(model.save(folder.path + "/c.bin").ok());
  CHECK(Model::load(folder.path + "/a.circle")->format() == Format::circle);
  CHECK(Model::load(folder.path + "/b.tflite")->format() == Format::circle);
  CHECK(Model::load(folder.path + "/c.bin")->format() == Format::tflite);
  CHECK(*Model::load(folder.path + "/c.bin")->serialize() == *model.serialize());
}

TEST_CASE("what a model shows of itself is what it holds") {
  const ModelData data = test::rich_model();
  const Model model = model_of(data);
  REQUIRE(model.graph_count() == data.graphs.size());
  CHECK(model.signatures().size() == data.signatures.size());
  REQUIRE(model.metadata().size() == data.metadata.size());
  CHECK(model.metadata()[0].name == data.metadata[0].first);
  int64_t constants = 0;
  for (size_t k = 0; k < data.graphs.size(); ++k) {
    const Graph& g = data.graphs[k];
    const GraphInfo info = model.graph(k);
    REQUIRE(info.tensors.size() == g.values.size());
    REQUIRE(info.operators.size() == g.nodes.size());
    CHECK(info.inputs == g.inputs);
    CHECK(info.outputs == g.outputs);
    for (size_t v = 0; v < g.values.size(); ++v) {
      const TensorInfo& t = info.tensors[v];
      CHECK(t.name == g.values[v].name);
      CHECK(t.stored_shape == g.values[v].shape);
      CHECK((t.role == TensorRole::constant) == (g.values[v].is_constant() && !g.values[v].is_variable));
      CHECK((t.role == TensorRole::variable) == g.values[v].is_variable);
      CHECK(model.constant(v, k).data == g.values[v].constant.data());
      constants += t.constant_bytes;
    }
    for (size_t n = 0; n < g.nodes.size(); ++n) {
      CHECK(info.operators[n].inputs == g.nodes[n].inputs);
      CHECK(info.operators[n].outputs == g.nodes[n].outputs);
      CHECK(info.operators[n].kind == kind_name(g.nodes[n]));
    }
  }
  CHECK(model.constant_bytes() == constants);
  CHECK(constants > 0);
}

TEST_CASE("an extent that is not known is -1, beside what the file stores") {
  ModelData data = test::runnable_model();
  Value& x = data.main().value(data.main().inputs[0]);
  x.shape_signature.assign(x.shape.dims().begin(), x.shape.dims().end());
  x.shape_signature[0] = -1;
  const TensorInfo info = model_of(data).inputs()[0];
  CHECK(info.shape[0] == -1);
  CHECK(info.stored_shape == x.shape);
  CHECK(info.role == TensorRole::input);
}

TEST_CASE("a signature that is not there is an error that lists those that are") {
  const Model model = model_of(test::rich_model());
  const auto inputs = model.inputs("nonsense");
  REQUIRE(!inputs.ok());
  CHECK(inputs.status().message().find("no signature 'nonsense'; the model has ") != std::string::npos);
}

TEST_CASE("real values of integers, per channel and packed") {
  const int8_t q[] = {1, 2, 3, 4};
  const Quantization channels = Quantization::per_channel(0, {{0.5f, 0}, {2.0f, 1}});
  CHECK(real_values({q, DType::int8, {2, 2}, channels}) == std::vector<float>{0.5f, 1, 4, 6});
  const uint8_t packed[] = {0xf1, 0x07};  // 1, -1, 7
  CHECK(real_values({packed, DType::int4, {3}, Quantization::per_tensor({0.5f, 0})}) ==
        std::vector<float>{0.5f, -0.5f, 3.5f});
  const bool flags[] = {true, false};
  CHECK(real_values({flags, DType::boolean, {2}, {}}) == std::vector<float>{1, 0});
  const Quantization blocks = Quantization::blockwise(2, {{1.0f, 0}, {10.0f, 0}});
  CHECK(real_values({q, DType::int8, {4}, blocks}) == std::vector<float>{1, 2, 30, 40});
}
