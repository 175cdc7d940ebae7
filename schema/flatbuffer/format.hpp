// Files to models and back: .tflite (schema v3, "TFL3") and .circle ("CIR0"). The only door to FlatBuffers.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Map the file and read it. The verifier and validate() always run; constants are views of the mapping.
Result<std::shared_ptr<const ModelData>> read_model(const std::string& path);
// The same from bytes; `owner` keeps them alive. `name` stands for the path in messages.
Result<std::shared_ptr<const ModelData>> read_model(std::shared_ptr<const void> owner,
                                                    std::span<const std::byte> bytes,
                                                    const std::string& name);

// Serialize in `model.format`'s wire format. Every tensor buffer starts at a multiple of 64 bytes (16 is what
// the format asks for). Deterministic: the same model gives the same bytes.
Result<std::vector<std::byte>> serialize(const ModelData& model);
// The options of an operator as the format writes them: equal bytes for equal attributes. Empty for operators
// without options, and for those whose options no format has. Custom operators keep theirs in CustomAttrs.
std::string options_bytes(const Node& node);
// Serialize to a temporary file beside `path`, then rename it over `path`.
Status write_model(const ModelData& model, const std::string& path);

}  // namespace octet
