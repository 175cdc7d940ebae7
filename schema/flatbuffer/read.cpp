// Bytes to a ModelData: identification and verification here, one graph at a time in read_graph.cpp.
#include <algorithm>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "schema/flatbuffer/format.hpp"
#include "schema/flatbuffer/mapped_file.hpp"
#include "schema/flatbuffer/reader.hpp"
#include "schema/ir/inline.hpp"
#include "schema/ir/sort.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

// Deep nesting exists only in hostile files: the format's own depth is 6 (model, graph, tensor, quantization,
// details, vector).
constexpr uint32_t kMaxDepth = 16;
// FlatBuffers counts in 31 bits. What lies beyond can only be buffers behind the FlatBuffer.
constexpr size_t kMaxFlatBuffer = FLATBUFFERS_MAX_BUFFER_SIZE - 1;
// What the verifier needs the bytes to start at, and what the format promises for buffers.
constexpr size_t kAlignment = 16;

Result<Format> identify(std::span<const std::byte> bytes) {
  // Root offset (4 bytes), identifier (4 bytes).
  if (bytes.size() < 8) return Status::corrupt("is too short to be a model");
  const std::string_view id(reinterpret_cast<const char*>(bytes.data()) + 4, 4);
  if (id == kTfliteIdentifier) return Format::tflite;
  if (id == kCircleIdentifier) return Format::circle;
  return Status::corrupt("is neither a .tflite nor a .circle file (it has no TFL3 or CIR0 identifier)");
}

Result<const wire::Model*> verify(std::span<const std::byte> bytes, Format format) {
  flatbuffers::Verifier::Options options;
  options.max_depth = kMaxDepth;
  // A table takes at least 4 bytes and the offset that points to it 4 more. More tables than that means that
  // they are shared, which blows up a small file into much memory and which no writer does.
  options.max_tables = static_cast<uint32_t>(std::min<size_t>(bytes.size() / 8 + 64, 10'000'000));
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, std::min(bytes.size(), kMaxFlatBuffer), options);
  if (!verifier.VerifyBuffer<wire::Model>(identifier_of(format)))
    return Status::corrupt("is truncated or damaged (the FlatBuffers verifier refuses it)");
  return flatbuffers::GetRoot<wire::Model>(data);
}

Result<std::shared_ptr<const ModelData>> read(std::shared_ptr<const void> owner,
                                              std::span<const std::byte> bytes, const std::string& name) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment != 0) {
    auto copy = std::make_shared<const Constant>(Constant::copy_of(bytes));
    bytes = copy->bytes();
    owner = std::move(copy);
  }
  OCTET_ASSIGN(const Format format, identify(bytes));
  OCTET_ASSIGN(const wire::Model* root, verify(bytes, format));
  if (root->version() != schema_version_of(format))
    return Status::unsupported(fmt::format("has schema version {}; Octet reads version {}", root->version(),
                                           schema_version_of(format)));
  auto model = std::make_shared<ModelData>();
  model->format = format;
  model->path = name;
  model->file_bytes = static_cast<int64_t>(bytes.size());
  OCTET_TRY(Reader(std::move(owner), bytes, *root, *model).run());
  OCTET_TRY(inline_composites(*model));
  for (Graph& g : model->graphs) {
    OCTET_ASSIGN(const bool moved, sort_nodes(g));
    if (moved) model->notes.push_back(fmt::format("put the operators of graph '{}' in order", g.name));
  }
  OCTET_TRY(validate(*model));
  return std::shared_ptr<const ModelData>(std::move(model));
}

}  // namespace

Result<std::shared_ptr<const ModelData>> read_model(std::shared_ptr<const void> owner,
                                                    std::span<const std::byte> bytes,
                                                    const std::string& name) {
  return read(std::move(owner), bytes, name).at(name);
}

Result<std::shared_ptr<const ModelData>> read_model(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file.ok()) return std::move(file).at(path).status();
  const std::span<const std::byte> bytes = (*file)->bytes();
  return read_model(*std::move(file), bytes, path);
}

Result<std::shared_ptr<const ModelData>> ModelData::load(const std::string& path) {
  return read_model(path);
}

}  // namespace octet
