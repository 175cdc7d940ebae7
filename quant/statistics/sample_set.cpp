#include "quant/statistics/sample_set.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "quant/reals.hpp"

namespace octet {
namespace {

constexpr size_t kTableEntries = 256;
constexpr size_t kReadSlack = 64;

// Four-byte elements as indices into a table of at most 256; false when there are more different ones.
bool pack(const ConstTensorView& view, KeptTensor& kept) {
  const auto n = static_cast<size_t>(view.elements());
  if (bytes_of(view.dtype) != 4 || n < 4 * kTableEntries) return false;
  std::unordered_map<uint32_t, uint8_t> index;
  std::vector<uint32_t> table;
  std::vector<std::byte> data(n);
  uint32_t last = 0;
  uint8_t last_index = 0;
  for (size_t i = 0; i < n; ++i) {
    uint32_t word = 0;
    std::memcpy(&word, static_cast<const std::byte*>(view.data) + 4 * i, 4);
    if (table.empty() || word != last) {
      auto at = index.find(word);
      if (at == index.end()) {
        if (table.size() == kTableEntries) return false;
        at = index.emplace(word, static_cast<uint8_t>(table.size())).first;
        table.push_back(word);
      }
      last = word;
      last_index = at->second;
    }
    data[i] = static_cast<std::byte>(last_index);
  }
  kept.table.resize(table.size() * 4);
  std::memcpy(kept.table.data(), table.data(), kept.table.size());
  kept.data = std::move(data);
  return true;
}

}  // namespace

KeptTensor KeptTensor::of(const ConstTensorView& view) {
  KeptTensor kept;
  kept.dtype = view.dtype;
  kept.shape = view.shape;
  if (pack(view, kept)) return kept;
  const auto* begin = static_cast<const std::byte*>(view.data);
  if (view.bytes() > 0) kept.data.assign(begin, begin + view.bytes());
  return kept;
}

ConstTensorView KeptTensor::unpack(std::vector<std::byte>& out) const {
  const auto bytes = static_cast<size_t>(byte_size(dtype, shape));
  out.resize(bytes + kReadSlack);
  if (table.empty()) {
    std::copy(data.begin(), data.end(), out.begin());
  } else {
    for (size_t i = 0; i < data.size(); ++i)
      std::memcpy(out.data() + 4 * i, table.data() + 4 * static_cast<size_t>(data[i]), 4);
  }
  return {out.data(), dtype, shape, {}};
}

Status KeptTensor::check() const {
  if (!shape.is_static()) return Status::invalid("a sample's shape is not fixed");
  const auto bytes = static_cast<size_t>(byte_size(dtype, shape));
  if (table.empty())
    return data.size() == bytes ? Status() : Status::invalid("a sample's size is not that of its shape");
  const bool fits = bytes_of(dtype) == 4 && 4 * data.size() == bytes && table.size() % 4 == 0;
  if (!fits || std::any_of(data.begin(), data.end(),
                           [&](std::byte b) { return 4 * static_cast<size_t>(b) >= table.size(); }))
    return Status::invalid("a sample's indices do not fit its table");
  return {};
}

void keep_sample(SampleSet& set, int64_t index, const std::vector<ConstTensorView>& sample) {
  if (!std::all_of(sample.begin(), sample.end(), all_finite)) return;
  std::vector<KeptTensor>& kept = set[index];
  kept.clear();
  for (const ConstTensorView& v : sample)
    kept.push_back(KeptTensor::of(v));
}

KeptSamples::KeptSamples(std::initializer_list<const SampleSet*> sets, int64_t most) {
  for (const SampleSet* set : sets)
    for (const auto& [index, tensors] : *set)
      samples_[index] = &tensors;
  // Evenly fewer.
  const auto n = static_cast<int64_t>(samples_.size());
  int64_t i = 0;
  for (auto it = samples_.begin(); n > most && it != samples_.end(); ++i)
    it = (i + 1) * most / n == i * most / n ? samples_.erase(it) : std::next(it);
  at_ = samples_.begin();
}

Result<bool> KeptSamples::next(std::vector<ConstTensorView>& sample) {
  if (at_ == samples_.end()) return false;
  const std::vector<KeptTensor>& tensors = *at_->second;
  index_ = at_->first;
  ++at_;
  buffers_.resize(tensors.size());
  sample.clear();
  for (size_t i = 0; i < tensors.size(); ++i)
    sample.push_back(tensors[i].unpack(buffers_[i]));
  return true;
}

}  // namespace octet
