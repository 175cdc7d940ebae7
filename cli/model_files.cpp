#include "cli/model_files.hpp"

#include "cli/data/byte_source.hpp"
#include "cli/output_file.hpp"
#include "octet/try.hpp"

namespace octet {

Result<Model> open_model(const std::string& path) {
  OCTET_TRY(open_file(path).status());  // a folder or a missing file, in the system's words
  return Model::load(path);
}

Result<int64_t> save_model(const Model& model, const std::string& path) {
  const std::string ext = extension_of(path);
  const Format format = ext == ".circle"   ? Format::circle
                        : ext == ".tflite" ? Format::tflite
                                           : model.format();
  OCTET_ASSIGN(const std::vector<std::byte> bytes, model.serialize(format).at(path));
  OCTET_TRY(save_file(path, bytes));
  return static_cast<int64_t>(bytes.size());
}

}  // namespace octet
