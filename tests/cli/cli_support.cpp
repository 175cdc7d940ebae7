#include "tests/cli/cli_support.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
// clang-format off: jpeglib.h needs FILE before.
#include <jpeglib.h>
#include <png.h>
// clang-format on
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.hpp"
#include "cli/data/npy.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet::test {
namespace fs = std::filesystem;

TempFolder::TempFolder() {
  std::string name = (fs::temp_directory_path() / "octet-test-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}
TempFolder::~TempFolder() {
  std::error_code ec;
  fs::remove_all(path_, ec);
}
std::vector<std::string> TempFolder::names() const {
  std::vector<std::string> names;
  for (const auto& e : fs::directory_iterator(path_))
    names.push_back(e.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

Outcome octet(const std::vector<std::string>& args, const std::string& out_to) {
  const TempFolder folder;
  const std::string out = out_to.empty() ? folder / "out" : out_to, err = folder / "err";
  const char* binary = std::getenv("OCTET_BIN");
  const bool here = binary == nullptr || std::getenv("OCTET_EMULATED") != nullptr;
  std::vector<const char*> argv{here ? "octet" : binary};
  for (const std::string& a : args)
    argv.push_back(a.c_str());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    if (here) {
      const int code = run_octet(static_cast<int>(argv.size()) - 1, argv.data());
      std::fflush(nullptr);
      ::_exit(code);
    }
    ::execv(binary, const_cast<char* const*>(argv.data()));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  Outcome o;
  o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  o.out = out_to.empty() ? read_bytes(out) : "";
  o.err = read_bytes(err);
  return o;
}

void check_error(const Outcome& o, int code, const std::vector<std::string>& parts) {
  CHECK(o.code == code);
  CHECK(o.out.empty());
  CHECK(o.err.starts_with("octet: error: "));
  CHECK(o.err.find('\n') == o.err.size() - 1);
  for (const std::string& p : parts)
    CHECK_MESSAGE(o.err.find(p) != std::string::npos, o.err);
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_floats(const std::string& path, const std::vector<int64_t>& dims,
                  const std::vector<float>& values) {
  std::string bytes = *npy_header(DType::float32, dims);
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  write_bytes(path, bytes);
}
std::vector<float> read_floats(const std::string& path, std::vector<int64_t>* dims) {
  auto source = open_file(path);
  if (!source.ok()) return {};
  auto array = NpyArray::open(*std::move(source));
  if (!array.ok() || array->header().dtype != DType::float32) return {};
  if (dims != nullptr) *dims = array->header().dims;
  std::vector<float> values(static_cast<size_t>(array->header().elements()));
  if (!array->read(0, std::as_writable_bytes(std::span(values))).ok()) return {};
  return values;
}

namespace {

ValueId add(Graph& g, const std::string& name, const Shape& shape, const std::vector<float>& values = {}) {
  Value v;
  v.name = name;
  v.shape = shape;
  if (!values.empty()) v.constant = Constant::of(values);
  return g.add_value(std::move(v));
}

ModelData model_of(Graph g) {
  ModelData m;
  g.name = "main";
  m.graphs.push_back(std::move(g));
  return m;
}

}  // namespace

ModelData dense_model() {
  Graph g;
  const ValueId x = add(g, "x", {1, 4}), y = add(g, "y", {1, 3});
  const ValueId w = add(g, "w", {3, 4}, {1, 0, 0, 0, 0, 1, 0, 0, 0.5f, 0.5f, -0.5f, 0.25f});
  const ValueId b = add(g, "b", {3}, {0.5f, 0, -0.25f});
  Node n;
  n.kind = OpKind::FULLY_CONNECTED;
  FullyConnectedAttrs attrs;
  attrs.act = Activation::Kind::relu;
  n.attrs = attrs;
  n.inputs = {x, w, b};
  n.outputs = {y};
  g.nodes.push_back(n);
  g.inputs = {x};
  g.outputs = {y};
  return model_of(std::move(g));
}

ModelData sum_model() {
  Graph g;
  const ValueId a = add(g, "a", {1, 4}), b = add(g, "b", {1, 4}), z = add(g, "z", {1, 4});
  Node n;
  n.kind = OpKind::ADD;
  n.attrs = BinaryAttrs{};
  n.inputs = {a, b};
  n.outputs = {z};
  g.nodes.push_back(n);
  g.inputs = {a, b};
  g.outputs = {z};
  return model_of(std::move(g));
}

ModelData picture_model() {
  Graph g;
  const ValueId x = add(g, "picture", {1, 6, 6, 3}), y = add(g, "y", {1, 6, 6, 3});
  Node n;
  n.kind = OpKind::ABS;
  n.attrs = NoAttrs{};
  n.inputs = {x};
  n.outputs = {y};
  g.nodes.push_back(n);
  g.inputs = {x};
  g.outputs = {y};
  return model_of(std::move(g));
}

std::string save(const ModelData& model, const std::string& path) {
  const Status s = write_model(model, path);
  return s.ok() ? path : "";
}

std::string png(int width, int height, const std::vector<uint8_t>& rgb) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<uint32_t>(width);
  image.height = static_cast<uint32_t>(height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, rgb.data(), 0, nullptr);
  std::string file(size, '\0');
  png_image_write_to_memory(&image, file.data(), &size, 0, rgb.data(), 0, nullptr);
  file.resize(size);
  return file;
}

std::string jpeg(int width, int height, const std::vector<uint8_t>& rgb) {
  jpeg_error_mgr errors{};
  jpeg_compress_struct info{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<unsigned>(width);
  info.image_height = static_cast<unsigned>(height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<uint8_t> row(static_cast<size_t>(width) * 3);
  for (int y = 0; y < height; ++y) {
    std::copy_n(rgb.begin() + y * width * 3, row.size(), row.begin());
    JSAMPROW start = row.data();
    jpeg_write_scanlines(&info, &start, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(memory), size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return file;
}

}  // namespace octet::test
