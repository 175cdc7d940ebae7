#include "cli/args.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <sched.h>

#include "octet/try.hpp"

namespace octet {
namespace {

Result<double> parse_number(const std::string& text) {
  const size_t slash = text.find('/');
  double parts[2] = {0, 1};
  const std::string pieces[2] = {text.substr(0, slash),
                                 slash == std::string::npos ? "1" : text.substr(slash + 1)};
  for (int i = 0; i < 2; ++i) {
    const std::string& p = pieces[i];
    const auto [end, error] = std::from_chars(p.data(), p.data() + p.size(), parts[i]);
    if (p.empty() || error != std::errc() || end != p.data() + p.size() || !std::isfinite(parts[i]))
      return Status::invalid(fmt::format("'{}' is not a number", text));
  }
  if (parts[1] == 0) return Status::invalid(fmt::format("'{}' divides by zero", text));
  return parts[0] / parts[1];
}

Result<DType> parse_dtype(const std::string& text) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (name_of(static_cast<DType>(i)) == text && bytes_of(static_cast<DType>(i)) > 0)
      return static_cast<DType>(i);
  return Status::invalid(fmt::format("'{}' is not an element type", text));
}

Status parse_resize(const std::string& text, ImageOptions& images) {
  if (text.empty() || text == "stretch") return {};
  if (text == "none") {
    images.fit = ImageOptions::Fit::none;
    return {};
  }
  OCTET_ASSIGN(const Shape size, parse_shape(text));
  if (size.rank() < 1 || size.rank() > 2 || size[0] < 1 || size[-1] < 1 || size[0] > 65536 ||
      size[-1] > 65536)
    return Status::invalid(fmt::format("--resize: '{}' is not a size", text));
  images.fit = size.rank() == 1 ? ImageOptions::Fit::short_side : ImageOptions::Fit::exact;
  images.resize_to = {size[0], size[-1]};
  return {};
}

}  // namespace

int default_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::clamp(CPU_COUNT(&set), 1, 8);
}

void add_model_option(Options& options, std::string& model) {
  options.add("MODEL", model, "A .tflite or .circle file").required();
}

PlanOptions ExecArgs::options() const {
  PlanOptions o;
  o.threads = threads;
  o.reference = backend == "reference";
  return o;
}

void add_threads_option(Options& options, int& threads) {
  options.add("--threads", threads, "Threads to compute with").range(1, 256).show_default();
}

void add_exec_options(Options& options, ExecArgs& args) {
  add_threads_option(options, args.threads);
  options.add("--backend", args.backend, "xnnpack: the fast kernels; reference: the portable, normative ones")
      .one_of({"xnnpack", "reference"})
      .show_default();
}

void add_files_option(Options& options, const std::string& name, std::vector<std::string>& files) {
  options
      .add(name, files,
           "Data: .npy, .npz, a folder of them, a picture or folder of pictures, or raw little-endian "
           "elements. With several graph inputs once per input, in graph order, or NAME=PATH. An array with "
           "one axis more than the input, or another leading extent, is a stack of samples")
      .type_name("PATH")
      .one_value_each();
}

void add_data_options(Options& options, DataArgs& args) {
  const std::string group = "Pictures and raw data";
  options
      .add("--mean", args.mean,
           "Pictures: value = (pixel * scale - mean) / std; one number or one per channel")
      .type_name("M[,M,M]")
      .group(group);
  options.add("--std", args.std, "See --mean; default 1").type_name("S[,S,S]").group(group);
  options.add("--scale", args.scale, "See --mean; 1/255 gives values from 0 to 1; default 1")
      .type_name("X")
      .group(group);
  options
      .add("--resize", args.resize,
           "Pictures: 'stretch' to the input's size (default), N: short side to N, HxW: to that size, both "
           "followed by a cut of the middle; 'none': refuse other sizes. Bilinear with antialiasing (a "
           "triangle filter that widens when the picture shrinks)")
      .type_name("SIZE")
      .group(group);
  options.add("--crop", args.crop, "Pictures: first keep this share of width and height, in the middle")
      .type_name("SHARE")
      .group(group);
  options.add_flag("--bgr", args.bgr, "Pictures: channels in the order blue, green, red").group(group);
  options.add("--raw-type", args.raw_type, "Element type of raw data; default: the graph input's")
      .type_name("TYPE")
      .group(group);
}

Result<DataOptions> DataArgs::options() const {
  DataOptions o;
  OCTET_ASSIGN(o.images.mean, parse_numbers(mean).at("--mean"));
  OCTET_ASSIGN(o.images.std, parse_numbers(std).at("--std"));
  for (double s : o.images.std)
    if (s == 0) return Status::invalid("--std: 0 is not possible");
  if (!scale.empty()) {
    OCTET_ASSIGN(o.images.scale, parse_number(scale).at("--scale"));
  }
  if (!crop.empty()) {
    OCTET_ASSIGN(o.images.crop, parse_number(crop).at("--crop"));
    if (!(o.images.crop > 0 && o.images.crop <= 1))
      return Status::invalid("--crop: must be above 0 and at most 1");
  }
  if (!raw_type.empty()) {
    OCTET_ASSIGN(o.raw_type, parse_dtype(raw_type).at("--raw-type"));
  }
  o.images.bgr = bgr;
  OCTET_TRY(parse_resize(resize, o.images));
  return o;
}

Result<std::vector<double>> parse_numbers(const std::string& text) {
  std::vector<double> numbers;
  for (size_t at = 0; !text.empty() && at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    OCTET_ASSIGN(const double v, parse_number(text.substr(at, end - at)));
    numbers.push_back(v);
    at = end + 1;
  }
  return numbers;
}

Result<Shape> parse_shape(const std::string& text) {
  Shape s;
  if (text.empty() || text == "scalar") return s;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('x', at), text.size());
    int32_t v = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, v);
    if (end == at || error != std::errc() || stop != text.data() + end || v < 0 ||
        s.rank() == Shape::kMaxRank)
      return Status::invalid(fmt::format("'{}' is not a shape (like 1x224x224x3)", text));
    s.push_back(v);
    at = end + 1;
  }
  return s;
}

SampleBuffers::SampleBuffers(const std::vector<InputSpec>& inputs, const std::vector<Shape>& shapes) {
  constexpr size_t kSlack = 64;  // kernels may read a little past the end
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t n = byte_size(inputs[i].dtype, shapes[i]);
    bytes_.emplace_back(static_cast<size_t>(n) + kSlack);
    targets_.push_back({bytes_.back().data(), inputs[i].dtype, shapes[i], inputs[i].quant});
    views_.push_back(targets_.back());
  }
}

Status SampleBuffers::read(Dataset& data, int64_t i) {
  for (size_t input = 0; input < targets_.size(); ++input)
    OCTET_TRY(data.read(input, i, targets_[input]));
  return {};
}

Json tensor_json(const std::string& name, const Shape& shape, DType dtype) {
  return {{"name", name},
          {"shape", std::vector<int32_t>(shape.dims().begin(), shape.dims().end())},
          {"dtype", std::string(name_of(dtype))}};
}

}  // namespace octet
