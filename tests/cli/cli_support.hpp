// Running the program from tests, and files for it to read.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octet/tensor.hpp"
#include "schema/ir/graph.hpp"

namespace octet::test {

// A folder that goes away with its owner.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  // A path inside.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::vector<std::string> names() const;  // what is inside, sorted

 private:
  std::string path_;
};

struct Outcome {
  int code = -1;  // exit code; 128 + signal
  std::string out, err;

  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

// Run `octet ARGS...`: the binary that OCTET_BIN names, or, where binaries can't start each other (under
// emulation), the same code in a forked child. `out_to` replaces where standard output goes.
Outcome octet(const std::vector<std::string>& args, const std::string& out_to = "");

// A failure: this code, nothing on stdout, one line on stderr that contains all `parts`.
void check_error(const Outcome& o, int code, const std::vector<std::string>& parts);

void write_bytes(const std::string& path, const std::string& bytes);
std::string read_bytes(const std::string& path);

void write_floats(const std::string& path, const std::vector<int64_t>& dims,
                  const std::vector<float>& values);
std::vector<float> read_floats(const std::string& path, std::vector<int64_t>* dims = nullptr);

// y = relu(x W^T + b), x of shape 1x4, y of shape 1x3; then softmax when `softmax`.
ModelData dense_model();
// z = a + b, two inputs of shape 1x4.
ModelData sum_model();
// y = relu(conv(x)), x of shape 1x6x6x3: a picture.
ModelData picture_model();
// Write it; returns the path.
std::string save(const ModelData& model, const std::string& path);

// Picture files; pixels are RGB, top row first.
std::string png(int width, int height, const std::vector<uint8_t>& rgb);
std::string jpeg(int width, int height, const std::vector<uint8_t>& rgb);

}  // namespace octet::test
