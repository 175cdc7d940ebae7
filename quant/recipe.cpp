#include "quant/recipe.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <nlohmann/json.hpp>

#include "quant/json_util.hpp"

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
    Named<Scheme>{Scheme::float16, "float16"},
};
constexpr std::array kRoundings = {Named<Rounding>{Rounding::nearest, "nearest"},
                                   Named<Rounding>{Rounding::compensated, "compensated"}};
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
          auto known = make_observer(recipe.observer);
          return known.ok() ? Status() : std::move(known).status();
        }},
    Key{"io",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          OCTET_ASSIGN(const std::string name, read_string(value));
          OCTET_ASSIGN(recipe.io, io_of(name));
          return {};
        }},
    Key{"per_channel", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.per_channel); }},
    Key{"equalize", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.equalize); }},
    Key{"spare_channels", [](const nlohmann::json& v, Recipe& r) { return read_bool(v, r.spare_channels); }},
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
    Key{"min_sqnr_db",
        [](const nlohmann::json& value, Recipe& recipe) -> Status {
          if (!value.is_number()) return Status::invalid("is not a number");
          recipe.min_sqnr_db = value.get<double>();
          if (!(recipe.min_sqnr_db >= 0 && recipe.min_sqnr_db <= 200))
            return Status::invalid("is not between 0 and 200");
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

std::string_view name_of(Rounding r) {
  return name_in(kRoundings, r);
}
Result<Rounding> rounding_of(std::string_view name) {
  return value_in<Rounding>(kRoundings, "rounding", name);
}

Result<Recipe> Recipe::from_json(std::string_view text) {
  OCTET_ASSIGN(const nlohmann::json json, parse_json(text));
  if (!json.is_object()) return Status::invalid("a recipe is a JSON object");
  Recipe recipe;
  for (const auto& [name, value] : json.items()) {
    const auto key = std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& k) { return k.name == name; });
    if (key == kKeys.end()) {
      std::vector<std::string_view> all;
      for (const Key& k : kKeys)
        all.push_back(k.name);
      return Status::invalid(fmt::format("unknown key '{}'; there are {}", name, fmt::join(all, ", ")));
    }
    auto status = key->read(value, recipe);
    if (!status.ok()) return std::move(status).at(fmt::format("'{}'", name));
  }
  return recipe;
}

Result<Recipe> Recipe::load(const std::string& path) {
  OCTET_ASSIGN(const std::string text, read_file(path));
  return from_json(text).at(path);
}

std::string Recipe::to_json() const {
  nlohmann::ordered_json json = {
      {"scheme", name_of(scheme)},          {"observer", observer},
      {"per_channel", per_channel},         {"io", name_of(io)},
      {"keep_float", keep_float},           {"equalize", equalize},
      {"spare_channels", spare_channels},   {"rounding", name_of(rounding)},
      {"bias_correction", bias_correction}, {"min_sqnr_db", min_sqnr_db},
  };
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

const std::string* pattern_that_keeps(const Recipe& recipe, const Graph& g, NodeId node) {
  const Node& n = g.nodes[static_cast<size_t>(node)];
  for (const std::string& pattern : recipe.keep_float) {
    auto matches = [&](std::string_view text) { return glob_match(pattern, text); };
    if (matches(node_name(g, node)) || matches(name_of(n.kind)) ||
        std::any_of(n.origins.begin(), n.origins.end(), matches))
      return &pattern;
  }
  return nullptr;
}

}  // namespace octet
