#include "quant/statistics/keys.hpp"

#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <set>

#include "kernels/op_spec.hpp"
#include "runtime/plan.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet {
namespace {

// FNV-1a over whole words, for constants of many megabytes.
class Hash {
 public:
  Hash& add(uint64_t x) {
    state_ ^= x;
    state_ *= 0x100000001b3u;
    state_ ^= state_ >> 29;
    return *this;
  }
  Hash& add(std::string_view s) { return add(std::as_bytes(std::span(s))); }
  Hash& add(std::span<const std::byte> bytes) {
    add(bytes.size());
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);
      if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
      add(word);
    }
    for (std::byte b : bytes)
      add(static_cast<uint64_t>(b));
    return *this;
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

uint64_t hash_of_description(const Value& v) {
  Hash h;
  h.add(static_cast<uint64_t>(v.dtype)).add(static_cast<uint64_t>(v.shape.rank()));
  for (int32_t d : v.shape.dims())
    h.add(static_cast<uint64_t>(static_cast<int64_t>(d)));
  return h.value();
}

uint64_t hash_of_attributes(const Node& n) {
  Hash h;
  h.add(name_of(n.kind));
  Node written = n;
  if (Activation* act = activation_of(written.attrs); act != nullptr) {
    h.add(static_cast<uint64_t>(act->kind));
    h.add(std::bit_cast<uint32_t>(act->lo)).add(std::bit_cast<uint32_t>(act->hi));
    *act = Activation();  // no format has a code for a clamp
  }
  h.add(options_bytes(written));
  if (const auto* custom = std::get_if<CustomAttrs>(&n.attrs); custom != nullptr)
    h.add(custom->name).add(std::as_bytes(std::span(custom->options)));
  return h.value();
}

bool depends_on_more_than_inputs(const ModelData& model) {
  for (const Node& n : model.main().nodes)
    if (is_run_by_executor(n.kind)) return true;
  for (const Value& v : model.main().values)
    if (v.is_variable) return true;
  return false;
}

// Of every graph, whatever it computes.
uint64_t hash_of_everything(const ModelData& model) {
  Hash h;
  for (const Graph& g : model.graphs) {
    for (const Value& v : g.values) {
      h.add(hash_of_description(v));
      if (v.is_constant()) h.add(v.constant.bytes());
    }
    for (const Node& n : g.nodes) {
      h.add(hash_of_attributes(n));
      for (const auto* ids : {&n.inputs, &n.outputs})
        for (ValueId v : *ids)
          h.add(static_cast<uint64_t>(static_cast<int64_t>(v)));
    }
  }
  return h.value();
}

}  // namespace

std::vector<std::string> value_keys(const Graph& g) {
  std::map<std::string_view, int> seen;
  for (const Value& v : g.values)
    ++seen[v.name];
  std::vector<std::string> keys;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const std::string& name = g.values[i].name;
    keys.push_back(!name.empty() && seen[name] == 1 ? name : fmt::format("{}#{}", name, i));
  }
  // A name may look like one of these on purpose.
  std::set<std::string> taken;
  for (std::string& key : keys)
    while (!taken.insert(key).second)
      key += "'";
  return keys;
}

std::vector<std::vector<std::string>> inner_keys(const Graph& g) {
  const std::vector<std::string> keys = value_keys(g);
  std::set<std::string> taken(keys.begin(), keys.end());
  std::vector<std::vector<std::string>> inner(g.nodes.size());
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const OpSpec* spec = find_spec(g.nodes[n].kind);
    const ValueId output = g.nodes[n].outputs.empty() ? kNoValue : g.nodes[n].outputs[0];
    if (spec == nullptr || output == kNoValue) continue;
    for (std::string_view name : spec->inner) {
      std::string key = fmt::format("{}/{}", keys[static_cast<size_t>(output)], name);
      while (!taken.insert(key).second)
        key += "'";
      inner[n].push_back(std::move(key));
    }
  }
  return inner;
}

std::vector<uint64_t> origins_of(const ModelData& model) {
  const Graph& g = model.main();
  const uint64_t base = depends_on_more_than_inputs(model) ? hash_of_everything(model) : 0;
  std::vector<uint64_t> origins(g.values.size(), base);
  for (size_t i = 0; i < g.values.size(); ++i)
    if (g.values[i].is_constant())
      origins[i] = Hash().add(hash_of_description(g.values[i])).add(g.values[i].constant.bytes()).value();
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const auto v = static_cast<size_t>(g.inputs[i]);
    origins[v] = Hash().add(base).add("input").add(i).add(hash_of_description(g.values[v])).value();
  }
  for (const Node& n : g.nodes) {
    Hash h;
    h.add(base).add(hash_of_attributes(n));
    for (ValueId v : n.inputs)
      h.add(v == kNoValue ? 0 : origins[static_cast<size_t>(v)]);
    for (size_t j = 0; j < n.outputs.size(); ++j)
      if (n.outputs[j] != kNoValue)
        origins[static_cast<size_t>(n.outputs[j])] = Hash().add(h.value()).add(j).value();
  }
  return origins;
}

}  // namespace octet
