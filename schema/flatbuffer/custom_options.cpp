#include "schema/flatbuffer/custom_options.hpp"

// Numbers in strings are not parsed here, so the library's locale object (and its .cpp files) is not needed.
#define FLATBUFFERS_LOCALE_INDEPENDENT 0
#include <flatbuffers/flexbuffers.h>
#include <vector>

namespace octet {

Result<std::map<std::string, double>> read_custom_options(std::span<const uint8_t> bytes) {
  std::map<std::string, double> out;
  if (bytes.empty()) return out;
  if (bytes.size() < 3) return Status::corrupt("options of a custom operator are not a FlexBuffers map");
  std::vector<uint8_t> reuse_tracker;
  if (!flexbuffers::VerifyBuffer(bytes.data(), bytes.size(), &reuse_tracker))
    return Status::corrupt("options of a custom operator are not a sound FlexBuffers map");
  const flexbuffers::Reference root = flexbuffers::GetRoot(bytes.data(), bytes.size());
  if (!root.IsMap()) return Status::corrupt("options of a custom operator are not a FlexBuffers map");
  const flexbuffers::Map map = root.AsMap();
  const flexbuffers::TypedVector keys = map.Keys();
  for (size_t i = 0; i < keys.size(); ++i) {
    const flexbuffers::Reference value = map.Values()[i];
    if (value.IsNumeric() || value.IsBool()) out[keys[i].AsKey()] = value.AsDouble();
  }
  return out;
}

}  // namespace octet
