#include "cli/data/dataset.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "cli/data/npz.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {
namespace fs = std::filesystem;
namespace {

bool is_folder(const std::string& path) {
  std::error_code ec;
  return fs::is_directory(path, ec);
}

bool exists(const std::string& path) {
  std::error_code ec;
  return fs::exists(path, ec);
}

// Entries of a folder in natural order, hidden ones left out.
Result<std::vector<std::string>> list_folder(const std::string& path) {
  std::error_code ec;
  fs::directory_iterator it(path, ec);
  if (ec) return Status::io(fmt::format("{}: {}", path, ec.message()));
  std::vector<std::string> names;
  for (; !ec && it != fs::directory_iterator(); it.increment(ec))
    if (const std::string name = it->path().filename().string(); name.front() != '.') names.push_back(name);
  if (ec) return Status::io(fmt::format("{}: {}", path, ec.message()));
  std::sort(names.begin(), names.end(), natural_less);
  for (std::string& n : names)
    n.insert(0, path.ends_with('/') ? path : path + "/");
  return names;
}

// Whether a file of a folder is data; others (READMEs, label files) are passed over.
bool is_data_name(const std::string& path) {
  const std::string ext = extension_of(path);
  return ext == ".npy" || ext == ".npz" || ext == ".bin" || ext == ".raw" || is_image_name(path);
}

std::string names_of(const std::vector<InputSpec>& inputs) {
  std::string text;
  for (const InputSpec& in : inputs)
    text += (text.empty() ? "" : ", ") + in.name;
  return text;
}

}  // namespace

Result<Dataset> Dataset::open(const std::vector<std::string>& specs, std::vector<InputSpec> inputs,
                              const DataOptions& options) {
  Dataset d;
  d.specs_ = std::move(inputs);
  d.options_ = options;
  d.columns_.resize(d.specs_.size());
  std::vector<std::string> paths(d.specs_.size()), unnamed;
  for (const std::string& spec : specs) {
    const size_t eq = spec.find('=');
    const auto named = std::find_if(d.specs_.begin(), d.specs_.end(), [&](const InputSpec& in) {
      return !in.name.empty() && spec.starts_with(in.name + "=");
    });
    if (eq == std::string::npos || exists(spec)) {
      unnamed.push_back(spec);
    } else if (named == d.specs_.end()) {
      return Status::invalid(
          fmt::format("no input named '{}'; the inputs are: {}", spec.substr(0, eq), names_of(d.specs_)));
    } else {
      std::string& path = paths[static_cast<size_t>(named - d.specs_.begin())];
      if (!path.empty()) return Status::invalid(fmt::format("input '{}' is given twice", named->name));
      path = spec.substr(named->name.size() + 1);
    }
  }
  const bool one_for_all = unnamed.size() == 1 && specs.size() == 1 && d.specs_.size() > 1;
  if (one_for_all && (extension_of(unnamed[0]) == ".npz" || is_folder(unnamed[0]))) {
    if (!is_folder(unnamed[0])) {
      OCTET_TRY(d.add_archive(unnamed[0]));
    } else {
      OCTET_ASSIGN(const auto files, list_folder(unnamed[0]));
      for (const std::string& f : files)
        if (extension_of(f) == ".npz") OCTET_TRY(d.add_archive(f));
    }
    if (d.columns_[0].parts.empty())
      return Status::invalid(
          fmt::format("{}: holds no .npz files; the model has {} inputs ({}): give data for each", unnamed[0],
                      d.specs_.size(), names_of(d.specs_)));
    OCTET_TRY(d.finish(specs));
    return d;
  }
  size_t next = 0;
  for (std::string& path : paths)
    if (path.empty() && next < unnamed.size()) path = unnamed[next++];
  const auto missing = std::find(paths.begin(), paths.end(), "");
  if (missing != paths.end() || next < unnamed.size())
    return Status::invalid(fmt::format("the model has {} inputs ({}), but data was given for {}",
                                       d.specs_.size(), names_of(d.specs_), specs.size()));
  for (size_t i = 0; i < paths.size(); ++i)
    OCTET_TRY(d.add_path(i, paths[i]));
  OCTET_TRY(d.finish(specs));
  return d;
}

Status Dataset::add_path(size_t input, const std::string& path) {
  if (specs_[input].dtype == DType::string)
    return Status::unsupported(
        fmt::format("{}: input '{}' takes strings, which data files can't hold", path, specs_[input].name));
  return is_folder(path) ? add_folder(input, path) : add_file(input, path);
}

Status Dataset::add_folder(size_t input, const std::string& path) {
  OCTET_ASSIGN(const auto entries, list_folder(path));
  const bool flat = std::any_of(entries.begin(), entries.end(), is_data_name);
  if (flat) {
    for (const std::string& e : entries)
      if (is_data_name(e) && !is_folder(e)) OCTET_TRY(add_file(input, e));
    return {};
  }
  // Sub-folders are classes, numbered in the order of their names.
  std::vector<std::string> classes;
  std::vector<int64_t> labels;
  for (const std::string& folder : entries) {
    if (!is_folder(folder)) continue;
    OCTET_ASSIGN(const auto files, list_folder(folder));
    const int64_t before = columns_[input].samples;
    for (const std::string& f : files)
      if (is_data_name(f) && !is_folder(f)) OCTET_TRY(add_file(input, f));
    if (columns_[input].samples == before) continue;
    labels.resize(static_cast<size_t>(columns_[input].samples), static_cast<int64_t>(classes.size()));
    classes.push_back(fs::path(folder).filename().string());
  }
  if (columns_[input].parts.empty())
    return Status::invalid(path + ": holds no data (.npy, .npz, .png, .jpg, .bin, .raw)");
  if (labels_.empty()) labels_ = std::move(labels), classes_ = std::move(classes);
  return {};
}

Status Dataset::add_file(size_t input, const std::string& path) {
  const std::string ext = extension_of(path);
  const InputSpec& in = specs_[input];
  if (ext == ".npy") return add_array(input, path, "");
  if (ext == ".npz") {
    OCTET_ASSIGN(auto members, list_npz(path));
    if (std::find(members.begin(), members.end(), in.name) != members.end()) members = {in.name};
    for (const std::string& m : members)
      OCTET_TRY(add_array(input, path, m));
    return {};
  }
  if (is_image_name(path)) {
    OCTET_TRY(open_file(path).status());
    return add_part(input, {DataPart::Kind::image, path, "", {true, 1, in.shape}});
  }
  OCTET_ASSIGN(const auto source, open_file(path));
  const int64_t bytes = byte_size(options_.raw_type.value_or(in.dtype), in.shape);
  if (bytes <= 0 || source->size() % bytes != 0 || source->size() == 0)
    return Status::invalid(fmt::format(
        "{}: read as raw {} for input '{}' of shape {}, {} bytes a sample; the file has {}", path,
        name_of(options_.raw_type.value_or(in.dtype)), in.name, in.shape.to_string(), bytes, source->size()));
  const int64_t n = source->size() / bytes;
  return add_part(input, {DataPart::Kind::raw, path, "", {n > 1, n, in.shape}});
}

Status Dataset::add_array(size_t input, const std::string& path, const std::string& member) {
  DataPart part{member.empty() ? DataPart::Kind::npy : DataPart::Kind::npz, path, member, {}};
  OCTET_ASSIGN(auto source, member.empty() ? open_file(path) : open_npz(path, member));
  OCTET_ASSIGN(const NpyHeader header, read_npy_header(*source).at(part.name()));
  OCTET_ASSIGN(part.stacking, stacking_of(header.dims, specs_[input]).at(part.name()));
  return add_part(input, std::move(part));
}

Status Dataset::add_archive(const std::string& path) {
  OCTET_ASSIGN(const auto members, list_npz(path));
  const auto has = [&](const InputSpec& in) {
    return std::find(members.begin(), members.end(), in.name) != members.end();
  };
  const bool by_name = std::all_of(specs_.begin(), specs_.end(), has);
  if (!by_name && members.size() != specs_.size())
    return Status::invalid(fmt::format("{}: has {} arrays, the model {} inputs ({})", path, members.size(),
                                       specs_.size(), names_of(specs_)));
  for (size_t i = 0; i < specs_.size(); ++i)
    OCTET_TRY(add_array(i, path, by_name ? specs_[i].name : members[i]));
  return {};
}

Status Dataset::add_part(size_t input, DataPart part) {
  Column& column = columns_[input];
  if (!column.parts.empty() && column.parts.front().stacking.shape != part.stacking.shape)
    return Status::invalid(fmt::format("{}: its samples have shape {}, those of {} have {}", part.name(),
                                       part.stacking.shape.to_string(), column.parts.front().name(),
                                       column.parts.front().stacking.shape.to_string()));
  part.first = column.samples;
  column.samples += part.stacking.samples;
  column.parts.push_back(std::move(part));
  return {};
}

Status Dataset::finish(const std::vector<std::string>& specs) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& c = columns_[i];
    if (c.samples == 0)
      return Status::invalid(fmt::format(
          "{}: no samples", c.parts.empty() ? specs[std::min(i, specs.size() - 1)] : c.parts.front().name()));
    if (c.samples != columns_[0].samples)
      return Status::invalid(
          fmt::format("inputs have different numbers of samples: '{}' {} ({}), '{}' {} ({})", specs_[0].name,
                      columns_[0].samples, columns_[0].parts.front().name(), specs_[i].name, c.samples,
                      c.parts.front().name()));
    shapes_.push_back(c.parts.front().stacking.shape);
    stack_ = stack_ || c.parts.size() > 1 || c.parts.front().stacking.stack;
  }
  const auto has_part = [&](DataPart::Kind kind) {
    return std::any_of(columns_.begin(), columns_.end(), [kind](const Column& c) {
      return std::any_of(c.parts.begin(), c.parts.end(),
                         [kind](const DataPart& p) { return p.kind == kind; });
    });
  };
  if (options_.images.given() && !has_part(DataPart::Kind::image))
    return Status::invalid(
        "--mean, --std, --scale, --resize, --crop and --bgr are for pictures, and the data has none: arrays "
        "are taken "
        "as they are");
  if (options_.raw_type && !has_part(DataPart::Kind::raw))
    return Status::invalid("--raw-type is for raw data, and there is none: other files say their type");
  // A model without inputs runs once.
  size_ = columns_.empty() ? 1 : columns_[0].samples;
  // One picture is one sample; there is nothing to stack.
  if (columns_.size() == 1 && size_ == 1 && columns_[0].parts[0].kind == DataPart::Kind::image &&
      specs.size() == 1 && !is_folder(specs[0]))
    stack_ = false;
  return {};
}

const DataPart& Dataset::part_of(size_t input, int64_t i, size_t* index) const {
  const std::vector<DataPart>& parts = columns_[input].parts;
  const auto after = std::upper_bound(parts.begin(), parts.end(), i,
                                      [](int64_t sample, const DataPart& p) { return sample < p.first; });
  if (index != nullptr) *index = static_cast<size_t>(after - parts.begin()) - 1;
  return *(after - 1);
}

std::string Dataset::place(size_t input, int64_t i) const {
  const DataPart& p = part_of(input, i);
  return p.stacking.samples == 1 ? p.name() : fmt::format("{}: sample {}", p.name(), i - p.first);
}

std::vector<std::string> Dataset::files() const {
  std::vector<std::string> names;
  if (columns_.empty()) return names;
  for (const DataPart& p : columns_[0].parts) {
    if (p.stacking.samples != 1) return {};
    names.push_back(p.path);
  }
  return names;
}

Status Dataset::open_part(Column& column, size_t input, size_t part) {
  if (column.open_part == part) return {};
  const DataPart& p = column.parts[part];
  column.open_part = SIZE_MAX;
  column.array.reset();
  column.raw.reset();
  if (p.kind == DataPart::Kind::raw) {
    OCTET_ASSIGN(column.raw, open_file(p.path));
  } else {
    OCTET_ASSIGN(auto source, p.member.empty() ? open_file(p.path) : open_npz(p.path, p.member));
    OCTET_ASSIGN(NpyArray array, NpyArray::open(std::move(source)).at(p.name()));
    OCTET_ASSIGN(const Stacking now, stacking_of(array.header().dims, specs_[input]).at(p.name()));
    if (now.samples != p.stacking.samples || now.shape != p.stacking.shape)
      return Status::io(p.name() + ": changed while it was being read");
    column.array = std::move(array);
  }
  column.open_part = part;
  return {};
}

Status Dataset::read(size_t input, int64_t i, const TensorView& out) {
  Column& column = columns_[input];
  size_t index = 0;
  const DataPart& p = part_of(input, i, &index);
  const std::string where = place(input, i);
  if (p.kind == DataPart::Kind::image) {
    OCTET_TRY(read_image(p.path, options_.images, out));
  } else {
    OCTET_TRY(open_part(column, input, index));
    const DType type = column.array ? column.array->header().dtype : options_.raw_type.value_or(out.dtype);
    const int64_t bytes = byte_size(type, out.shape);
    scratch_.resize(static_cast<size_t>(bytes));
    OCTET_TRY((column.array ? column.array->read((i - p.first) * out.elements(), scratch_)
                            : column.raw->read((i - p.first) * bytes, scratch_))
                  .at(where));
    if (options_.refuse_nan) {
      const ConstTensorView data{scratch_.data(), type, out.shape, {}};
      if (const int64_t bad = first_not_finite(data); bad >= 0)
        return Status::invalid(fmt::format("{}: element {} is NaN or infinite", where, bad));
    }
    OCTET_TRY(convert_elements(scratch_, type, out).at(where));
  }
  return {};
}

}  // namespace octet
