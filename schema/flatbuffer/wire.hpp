// What the files of this folder share: the generated schema and small helpers around hostile FlatBuffers.
// Only schema/flatbuffer/*.cpp may include this.
#pragma once

#include <cstring>
#include <flatbuffers/flatbuffers.h>
#include <model_generated.h>
#include <string>
#include <string_view>
#include <vector>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

inline constexpr char kTfliteIdentifier[] = "TFL3";
inline constexpr char kCircleIdentifier[] = "CIR0";
inline constexpr uint32_t kTfliteVersion = 3, kCircleVersion = 0;

inline const char* identifier_of(Format f) {
  return f == Format::tflite ? kTfliteIdentifier : kCircleIdentifier;
}
inline uint32_t schema_version_of(Format f) {
  return f == Format::tflite ? kTfliteVersion : kCircleVersion;
}

// Text of a file as a name for people: control characters and bytes that are not UTF-8 become '_', so that
// an error stays one line, a terminal stays sane and JSON stays JSON.
std::string clean_text(std::string_view raw);

// "CONV_2D" for a builtin code of either format, "builtin 300" for one that neither defines.
std::string name_of_builtin(int code);

// Decode the options of `op` into `node.attrs` (node.kind is set), or say what is wrong with them.
Status read_options(const wire::Operator& op, Node& node);

struct WrittenOptions {
  wire::BuiltinOptions type = wire::BuiltinOptions::NONE;
  flatbuffers::Offset<void> table;
};
// Write the options table of a node whose attributes match its kind. The message of an error says what the
// format cannot express.
Result<WrittenOptions> write_options(flatbuffers::FlatBufferBuilder& builder, const Node& node);

}  // namespace octet
