// What the writer refuses, and that a file is written as a whole or not at all.
#include <csignal>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/model_diff.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;
namespace fs = std::filesystem;

namespace {

// A new folder that goes away with the object.
struct Folder {
  fs::path path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "octet-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("write: a file, and over a file that is being read") {
  const Folder folder;
  const std::string path = folder / "m.tflite";
  REQUIRE(test::rich_model().save(path).ok());
  const auto model = ModelData::load(path);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  CHECK_EQ(test::diff(test::rich_model(), **model), "");
  CHECK((*model)->path == path);
  CHECK((*model)->file_bytes == static_cast<int64_t>(fs::file_size(path)));
  // The old file stays mapped behind *model while the new one takes its name.
  REQUIRE((*model)->save(path).ok());
  CHECK_EQ(test::diff(test::rich_model(), **model), "");
  CHECK(folder.files() == 1);
}

TEST_CASE("write: permissions and links of the old file are kept") {
  const Folder folder;
  const std::string path = folder / "m.tflite", link = folder / "link.tflite";
  REQUIRE(test::rich_model().save(path).ok());
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  fs::create_symlink("m.tflite", link);
  REQUIRE(test::runnable_model().save(link).ok());
  CHECK(fs::is_symlink(link));
  CHECK_EQ(test::diff(test::runnable_model(), **ModelData::load(path)), "");
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
  CHECK(folder.files() == 2);
}

TEST_CASE("write: what goes wrong leaves no trace") {
  const Folder folder;
  const std::string path = folder / "m.tflite";
  CHECK_EQ(test::rich_model().save(folder / "no/m.tflite").message(),
           folder / "no/m.tflite" + ": cannot be created: No such file or directory");
  CHECK_EQ(test::rich_model().save(folder.path.string()).message(),
           folder.path.string() + ": is a directory");
  CHECK_EQ(test::rich_model().save("/dev/full").message(),
           "/dev/full: cannot be written: No space left on device");
  CHECK(fs::is_character_file("/dev/full"));

  // A file that may not grow stands for a full disk: the old content survives.
  REQUIRE(test::rich_model().save(path).ok());
  const std::string before = content(path);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const rlimit tight{100, old.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  const Status s = test::runnable_model().save(path);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK_EQ(s.message(), path + ": cannot be written: File too large");
  CHECK(s.code() == Code::io_error);
  CHECK(content(path) == before);
  CHECK(folder.files() == 1);

  if (::geteuid() != 0) {
    REQUIRE(::chmod(path.c_str(), 0444) == 0);
    CHECK_EQ(test::rich_model().save(path).message(), path + ": cannot be written: Permission denied");
    REQUIRE(::chmod(folder.path.c_str(), 0555) == 0);
    CHECK_EQ(test::rich_model().save(folder / "n.tflite").message(),
             folder / "n.tflite" + ": cannot be created: Permission denied");
    REQUIRE(::chmod(folder.path.c_str(), 0755) == 0);
  }
}

TEST_CASE("write: what the format cannot hold") {
  ModelData m = test::runnable_model();
  m.main().nodes[1].attrs = BinaryAttrs{Activation::clamp(0, 3), true};
  CHECK_EQ(serialize(m).status().message(),
           "ADD 'sum': has a fused clamp to [0, 3], which the file format cannot express");
  m = test::runnable_model();
  std::get<Conv2DAttrs>(m.main().nodes[0].attrs).padding.kind = Padding::Kind::explicit_;
  CHECK_EQ(serialize(m).status().message(),
           "CONV_2D 'conv': has explicit padding, which the file format cannot express");
  m = test::single_op_model(OpKind::INSTANCE_NORM);
  m.format = Format::tflite;
  CHECK_EQ(serialize(m).status().message(), "INSTANCE_NORM 'out': only .circle files can hold this operator");
  m = test::runnable_model();
  m.main().outputs = {99};
  CHECK_EQ(m.save("/nonexistent/x").message(),
           "/nonexistent/x: graph output 0 is tensor 99, and there are 7");
  // 3 GB of constants, none of which need exist: the size is known before anything is written.
  m = test::runnable_model();
  const auto region = std::make_shared<int>(0);
  for (int i = 0; i < 3; ++i) {
    const std::span<const std::byte> huge(reinterpret_cast<const std::byte*>(region.get()) + i,
                                          size_t{1} << 30);
    test::add_value(m.main(), "huge", DType::int8, {1 << 30}, Constant(region, huge));
  }
  CHECK_EQ(serialize(m).status().message(), "the model takes about 3072 MB, more than the format's 2048 MB");
}
