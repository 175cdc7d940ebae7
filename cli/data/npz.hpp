// NumPy's .npz: a zip archive of .npy files, stored or deflated.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/data/byte_source.hpp"
#include "octet/status.hpp"

namespace octet {

// Names of the archive's .npy members, in the archive's order, without ".npy".
Result<std::vector<std::string>> list_npz(const std::string& path);

// One member. Stored members are read in place; deflated ones are inflated as they are read, from the
// beginning again when reading goes back.
Result<std::unique_ptr<ByteSource>> open_npz(const std::string& path, const std::string& member);

}  // namespace octet
