// What samples really show: class indices, and names of classes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "octet/status.hpp"

namespace octet {

struct LabelOptions {
  std::string column;  // of a CSV file; empty: the only one, or one called label, class, target or y
  int64_t offset = 0;  // added to every index (1 for models whose class 0 is "background")
};

// Class indices of samples. `files` are the samples' file names, when they are files: a CSV file with a
// column called file, filename, image or path is matched by them, otherwise labels come in the samples'
// order. Text: one index per line. CSV: with a header line. .npy: integers of rank 1 (or with extents of 1).
Result<std::vector<int64_t>> read_labels(const std::string& path, const LabelOptions& options,
                                         const std::vector<std::string>& files);

// One name per line.
Result<std::vector<std::string>> read_class_names(const std::string& path);

// Fields of one CSV line; quotes as in RFC 4180.
std::vector<std::string> split_csv(const std::string& line);

}  // namespace octet
