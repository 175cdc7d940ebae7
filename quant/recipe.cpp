#include "quant/recipe.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <nlohmann/json.hpp>

#include "octet/try.hpp"
#include "quant/json_util.hpp"
#include "quant/statistics/observer.hpp"

namespace octet {
namespace {

template <class E>
struct Named {
  E value;
  std::string_view name;
};
constexpr std::array kSchemes = {
    Named<Scheme>{Scheme::int8, "int8"},       Named<Scheme>{Scheme::int16x8, "int16x8"},
    Named<Scheme>{Scheme::dynamic, "dynamic"}, Named<Scheme>{Scheme::weight_only, "weight-only"},
    Named<Scheme>{Scheme::float16, "float16"}, Named<Scheme>{Scheme::floating, "float"},
};
constexpr std::array kRoundings = {Named<Rounding>{Rounding::nearest, "nearest"},
                                   Named<Rounding>{Rounding::compensated, "compensated"}};
constexpr std::array kRaises = {Named<RaiseTo>{RaiseTo::int16, "int16"},
                                Named<RaiseTo>{RaiseTo::floating, "float"}};
constexpr std::array kReaders = {
    Named<Reader>{Reader::tflite, "tflite"}, Named<Reader>{Reader::tflite_micro, "tflite-micro"},
    Named<Reader>{Reader::int8_only, "int8-only"}, Named<Reader>{Reader::octet, "octet"}};
constexpr std::array kIos = {Named<Io>{Io::keep, "keep"}, Named<Io>{Io::int8, "int8"},
                             Named<Io>{Io::uint8, "uint8"}, Named<Io>{Io::int16, "int16"}};

template <class Table, class E>
std::string_view name_in(const Table& table, E value) {
  for (const auto& row : table)
    if (row.value == value) return row.name;
  return "?";
}

template <class E, class Table>
Result<E> value_in(const Table& table, std::string_view what, std::string_view name) {
  std::string all;
  for (const auto& row : table) {
    if (row.name == name) return row.value;
    all += (all.empty() ? "" : ", ") + std::string(row.name);
  }
  return Status::invalid(fmt::format("no {} '{}'; there are {}", what, name, all));
}

// One key of the JSON form: how it is read into a recipe.
struct Key {
  std::string_view name;
  Status (*read)(const nlohmann::json& value, Recipe& recipe);
};

Status read_bool(const nlohmann::json& value, bool& target) {
  if (!value.is_boolean()) return Status::invalid("is not true or false");
  target = value.get<bool>();
  return {};
}

Result<std::string> read_string(const nlohmann::json& value) {
  if (!value.is_string()) return Status::invalid("is not a string");
  return value.get<std::string>();
}

Result<int64_t> read_whole(const nlohmann::json& value) {
  if (!value.is_number_integer()) return Status::invalid("is not a whole number");
  // Beyond 63 bits is beyond every limit.
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) return INT64_MAX;
  return value.get<int64_t>();
}

Result<int> read_bits(const nlohmann::json& value) {
  OCTET_ASSIGN(const int64_t bits, read_whole(value));
  if (bits != 4 && bits != 8) return Status::invalid("is not 4 or 8");
  return static_cast<int>(bits);
}

bool is_block(int64_t block) {
  return block >= 0 && block <= kMostBlock && block % kBlockStep == 0;
}
Status bad_block() {
  return Status::invalid(fmt::format("is not a multiple of {} up to {}, or 0", kBlockStep, kMostBlock));
}

Result<int32_t> read_block(const nlohmann::json& value) {
  OCTET_ASSIGN(const int64_t block, read_whole(value));
  if (!is_block(block)) return bad_block();
  return static_cast<int32_t>(block);
}

// One key of an entry of `operators`.
struct OperatorKey {
  std::string_view name;
  Status (*read)(const nlohmann::json& value, OperatorRecipe& entry);
};
constexpr std::array kOperatorKeys = {
    OperatorKey{"match",
                [](const nlohmann::json& value, OperatorRecipe& entry) -> Status {
                  OCTET_ASSIGN(entry.match, read_string(value));
                  return entry.match.empty() ? Status::invalid("is empty") : Status();
                }},
    OperatorKey{"scheme",
                [](const nlohmann::json& value, OperatorRecipe& entry) -> Status {
                  OCTET_ASSIGN(const std::string name, read_string(value));
                  OCTET_ASSIGN(entry.scheme, scheme_of(name));
                  return {};
                }},
    OperatorKey{"weight_bits",
                [](const nlohmann::json& value, OperatorRecipe& entry) -> Status {
                  OCTET_ASSIGN(entry.bits, read_bits(value));
                  return {};
                }},
    OperatorKey{"block",
                [](const nlohmann::json& value, OperatorRecipe& entry) -> Status {
                  OCTET_ASSIGN(entry.block, read_block(value));
                  return {};
                }},
    OperatorKey{"per_channel",
                [](const nlohmann::json& value, OperatorRecipe& entry) {
                  return read_bool(value, entry.per_channel.emplace());
                }},
};

template <class Keys, class Target>
Status read_keys(const Keys& keys, const nlohmann::json& json, Target& target) {
  for (const auto& [name, value] : json.items()) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return k.name == name; });
    if (key == keys.end()) {
      std::vector<std::string_view> all;
      for (const auto& k : keys)
        all.push_back(k.name);
      return Status::invalid(fmt::format("unknown key '{}'; there are {}", name, fmt::join(all, ", ")));
    }
    auto status = key->read(value, target);
    if (!status.ok()) return std::move(status).at(fmt::format("'{}'", name));
  }
  return {};
}

Result<OperatorRecipe> read_operator(const nlohmann::json& json) {
  if (!json.is_object()) return Status::invalid("is not an object");
  OperatorRecipe entry;
  OCTET_TRY(read_keys(kOperatorKeys, json, entry));
  if (entry.match.empty()) return Status::invalid("has no 'match'");
  return entry;
}

constexpr std::array kKeys = {
    Key{"scheme",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(const std::string name, read_string(value));
          OCTET_ASSIGN(recipe.scheme, scheme_of(name));
          return {};
        }},
    Key{"observer",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(recipe.observer, read_string(value));
          auto known = find_observer(recipe.observer);
          return known.ok() ? Status() : std::move(known).status();
        }},
    Key{"io",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(const std::string name, read_string(value));
          OCTET_ASSIGN(recipe.io, io_of(name));
          return {};
        }},
    Key{"reader",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(const std::string name, read_string(value));
          OCTET_ASSIGN(recipe.reader, reader_of(name));
          return {};
        }},
    Key{"signature",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(recipe.signature, read_string(value));
          return {};
        }},
    Key{"per_channel", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.per_channel); }},
    Key{"weight_bits",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(recipe.weight_bits, read_bits(value));
          return {};
        }},
    Key{"block",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(recipe.block, read_block(value));
          return {};
        }},
    Key{"equalize", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.equalize); }},
    Key{"spare_channels", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.spare_channels); }},
    Key{"balance", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.balance); }},
    Key{"wide", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.wide); }},
    Key{"rounding",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(const std::string name, read_string(value));
          OCTET_ASSIGN(recipe.rounding, rounding_of(name));
          return {};
        }},
    Key{"bias_correction",
        [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.bias_correction); }},
    Key{"keep_float",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          if (!value.is_array()) return Status::invalid("is not a list of strings");
          recipe.keep_float.clear();
          for (const auto& item : value) {
            OCTET_ASSIGN(std::string pattern, read_string(item));
            recipe.keep_float.push_back(std::move(pattern));
          }
          return {};
        }},
    Key{"operators",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          if (!value.is_array()) return Status::invalid("is not a list of objects");
          recipe.operators.clear();
          for (size_t i = 0; i < value.size(); ++i) {
            OCTET_ASSIGN(OperatorRecipe entry, read_operator(value[i]).at(fmt::format("entry {}", i)));
            recipe.operators.push_back(std::move(entry));
          }
          return {};
        }},
    Key{"min_sqnr_db",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          if (!value.is_number()) return Status::invalid("is not a number");
          recipe.min_sqnr_db = value.get<double>();
          if (!(recipe.min_sqnr_db >= 0 && recipe.min_sqnr_db <= 200))
            return Status::invalid("is not between 0 and 200");
          return {};
        }},
    Key{"raise_to",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(const std::string name, read_string(value));
          OCTET_ASSIGN(recipe.raise_to, raise_to_of(name));
          return {};
        }},
};

}  // namespace

std::string_view name_of(Scheme s) {
  return name_in(kSchemes, s);
}
Result<Scheme> scheme_of(std::string_view name) {
  return value_in<Scheme>(kSchemes, "scheme", name);
}
std::string_view name_of(Io io) {
  return name_in(kIos, io);
}
Result<Io> io_of(std::string_view name) {
  return value_in<Io>(kIos, "io", name);
}
std::string_view name_of(Reader r) {
  return name_in(kReaders, r);
}
Result<Reader> reader_of(std::string_view name) {
  return value_in<Reader>(kReaders, "reader", name);
}

std::string_view name_of(Rounding r) {
  return name_in(kRoundings, r);
}
Result<Rounding> rounding_of(std::string_view name) {
  return value_in<Rounding>(kRoundings, "rounding", name);
}

std::string_view name_of(RaiseTo r) {
  return name_in(kRaises, r);
}
Result<RaiseTo> raise_to_of(std::string_view name) {
  return value_in<RaiseTo>(kRaises, "raise_to", name);
}

Result<Recipe> Recipe::from_json(std::string_view text) {
  OCTET_ASSIGN(const nlohmann::json json, parse_json(text));
  if (!json.is_object()) return Status::invalid("a recipe is a JSON object");
  Recipe recipe;
  OCTET_TRY(read_keys(kKeys, json, recipe));
  OCTET_TRY(recipe.check());
  return recipe;
}

Result<Recipe> Recipe::load(const std::string& path) {
  OCTET_ASSIGN(const std::string text, read_file(path));
  return from_json(text).at(path);
}

std::string Recipe::to_json() const {
  nlohmann::ordered_json json = {
      {"scheme", name_of(scheme)},
      {"observer", observer},
      {"per_channel", per_channel},
      {"weight_bits", weight_bits},
      {"block", block},
      {"io", name_of(io)},
      {"reader", name_of(reader)},
      {"signature", signature},
      {"keep_float", keep_float},
      {"equalize", equalize},
      {"spare_channels", spare_channels},
      {"balance", balance},
      {"wide", wide},
      {"rounding", name_of(rounding)},
      {"bias_correction", bias_correction},
      {"min_sqnr_db", min_sqnr_db},
      {"raise_to", name_of(raise_to)},
  };
  auto& entries = json["operators"] = nlohmann::ordered_json::array();
  for (const OperatorRecipe& o : operators) {
    nlohmann::ordered_json entry = {{"match", o.match}};
    if (o.scheme) entry["scheme"] = name_of(*o.scheme);
    if (o.bits) entry["weight_bits"] = *o.bits;
    if (o.block) entry["block"] = *o.block;
    if (o.per_channel) entry["per_channel"] = *o.per_channel;
    entries.push_back(std::move(entry));
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // Linear with one point to return to: the last star, which takes one more character each time.
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

namespace {

bool matches(std::string_view pattern, const Graph& g, NodeId node) {
  const Node& n = g.nodes[static_cast<size_t>(node)];
  return glob_match(pattern, node_name(g, node)) || glob_match(pattern, name_of(n.kind)) ||
         std::any_of(n.origins.begin(), n.origins.end(),
                     [&](std::string_view origin) { return glob_match(pattern, origin); });
}

bool has_weight_bits(Scheme s) {
  return s == Scheme::weight_only || s == Scheme::dynamic;
}

WeightForm weights_of(const Recipe& r) {
  return {r.weight_bits, r.block, r.per_channel};
}

// An entry together with what it takes from the recipe: not blocks, where the entry excludes them.
OperatorChoice merged(const Recipe& r, const OperatorRecipe& o) {
  const int32_t block = o.bits == 8 || o.per_channel == false ? 0 : r.block;
  return {o.scheme.value_or(r.scheme),
          {o.bits.value_or(r.weight_bits), o.block.value_or(block), o.per_channel.value_or(r.per_channel)},
          &o.match,
          o.scheme.has_value()};
}

Status check_weights(Scheme scheme, const WeightForm& w) {
  if (w.bits != 4 && w.bits != 8) return Status::invalid("'weight_bits': is not 4 or 8");
  if (!is_block(w.block)) return bad_block().at("'block'");
  if (w.block != 0 && w.bits != 4) return Status::invalid("a 'block' needs 'weight_bits' 4");
  if (w.block != 0 && !w.per_channel) return Status::invalid("a 'block' needs 'per_channel'");
  if (w.bits == 4 && !has_weight_bits(scheme))
    return Status::invalid(
        fmt::format("'weight_bits' 4 needs scheme weight-only or dynamic, not {}", name_of(scheme)));
  return {};
}

}  // namespace

Status Recipe::check() const {
  if (reader == Reader::int8_only && scheme != Scheme::int8)
    return Status::invalid(fmt::format("'reader' int8-only takes scheme int8, not {}", name_of(scheme)));
  if (reader == Reader::int8_only && min_sqnr_db > 0)
    return Status::invalid("'min_sqnr_db': with reader int8-only there is nothing to promote operators to");
  for (size_t i = 0; i < operators.size(); ++i) {
    const OperatorRecipe& o = operators[i];
    const std::string place = fmt::format("'operators': entry {} ('{}')", i, o.match);
    const OperatorChoice c = merged(*this, o);
    if (is_integer(c.scheme) && !is_integer(scheme))
      return Status::invalid(
          fmt::format("{}: {} is a scheme for the whole graph, not for some operators of a {} one", place,
                      name_of(c.scheme), name_of(scheme)));
    // What the recipe says of weights is meant for the schemes that have a choice.
    WeightForm asked = c.weights;
    if (!has_weight_bits(c.scheme) && !o.bits && !o.block) asked = {8, 0, asked.per_channel};
    OCTET_TRY(check_weights(c.scheme, asked).at(place));
  }
  const bool used = has_weight_bits(scheme) ||
                    std::any_of(operators.begin(), operators.end(), [&](const OperatorRecipe& o) {
                      return has_weight_bits(o.scheme.value_or(scheme));
                    });
  return check_weights(used ? Scheme::weight_only : scheme, weights_of(*this));
}

std::string OperatorChoice::reason() const {
  if (pattern == nullptr) return {};
  return scheme == Scheme::floating ? fmt::format("kept in float by '{}'", *pattern)
                                    : fmt::format("{} by '{}'", name_of(scheme), *pattern);
}

OperatorChoice choice_for(const Recipe& recipe, const Graph& g, NodeId node) {
  for (const std::string& pattern : recipe.keep_float)
    if (matches(pattern, g, node)) return {Scheme::floating, weights_of(recipe), &pattern};
  for (const OperatorRecipe& o : recipe.operators)
    if (matches(o.match, g, node)) return merged(recipe, o);
  return {recipe.scheme, weights_of(recipe), nullptr};
}

Status check_operators(const Recipe& recipe, const Graph& g) {
  const auto matches_any = [&](const std::string& pattern) {
    for (size_t n = 0; n < g.nodes.size(); ++n)
      if (matches(pattern, g, static_cast<NodeId>(n))) return true;
    return false;
  };
  for (const std::string& pattern : recipe.keep_float)
    if (!matches_any(pattern))
      return Status::invalid(fmt::format("'keep_float': no operator matches '{}'", pattern));
  for (size_t i = 0; i < recipe.operators.size(); ++i) {
    if (!matches_any(recipe.operators[i].match))
      return Status::invalid(
          fmt::format("'operators': entry {}: no operator matches '{}'", i, recipe.operators[i].match));
  }
  return {};
}

}  // namespace octet
