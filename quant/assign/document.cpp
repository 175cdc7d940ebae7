#include "quant/assign/document.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/assign/document_json.hpp"
#include "quant/base64.hpp"
#include "quant/json_util.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

using DocumentJson = nlohmann::ordered_json;
using FormKind = NodeForm::Kind;

constexpr int kVersion = 1;

std::string_view name_of(FormKind kind) {
  return kind == FormKind::integer ? "integer" : kind == FormKind::floating ? "float" : "untouched";
}

DocumentJson ports_json(const std::vector<Quantization>& ports) {
  DocumentJson list = DocumentJson::array();
  for (const Quantization& q : ports)
    list.push_back(quantization_json(q));
  return list;
}

Result<std::vector<Quantization>> ports_from(const DocumentJson& object, const char* key) {
  std::vector<Quantization> ports;
  const auto it = object.find(key);
  if (it == object.end()) return ports;
  if (!it->is_array()) return Status::invalid(fmt::format("'{}' is not a list", key));
  for (const DocumentJson& q : *it) {
    OCTET_ASSIGN(Quantization port, quantization_from(q).at(key));
    ports.push_back(std::move(port));
  }
  return ports;
}

DocumentJson operator_json(const NodeForm& f, const std::string& name, const std::string& kind) {
  DocumentJson json = {{"name", name}, {"kind", kind}, {"form", std::string(name_of(f.kind))}};
  if (!f.reason.empty()) json["reason"] = f.reason;
  if (f.kind != FormKind::integer) return json;
  json["type"] = std::string(octet::name_of(f.type));
  json["inputs"] = ports_json(f.inputs);
  json["outputs"] = ports_json(f.outputs);
  if (!f.intermediates.empty()) json["intermediates"] = ports_json(f.intermediates);
  return json;
}

Result<NodeForm> form_from(const DocumentJson& json) {
  NodeForm f;
  const std::string form =
      json.contains("form") && json["form"].is_string() ? json["form"].get<std::string>() : "";
  if (form == "untouched")
    f.kind = FormKind::untouched;
  else if (form == "integer")
    f.kind = FormKind::integer;
  else if (form != "float")
    return Status::invalid("'form' is not integer, float or untouched");
  if (json.contains("reason") && json["reason"].is_string()) f.reason = json["reason"].get<std::string>();
  if (f.kind != FormKind::integer) return f;
  OCTET_ASSIGN(f.type, dtype_from(json, "type"));
  if (f.type != DType::int8 && f.type != DType::int16)
    return Status::invalid("'type' of an integer operator is not int8 or int16");
  OCTET_ASSIGN(f.inputs, ports_from(json, "inputs"));
  OCTET_ASSIGN(f.outputs, ports_from(json, "outputs"));
  OCTET_ASSIGN(f.intermediates, ports_from(json, "intermediates"));
  return f;
}

Result<std::string> name_in(const DocumentJson& json) {
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string())
    return Status::invalid("an entry has no name");
  return json["name"].get<std::string>();
}

Status read_operators(const DocumentJson& list, AssignmentDocument& d) {
  for (const DocumentJson& o : list) {
    OCTET_ASSIGN(std::string name, name_in(o).at("operators"));
    OCTET_ASSIGN(NodeForm form, form_from(o).at(fmt::format("operator '{}'", name)));
    d.kinds.push_back(o.contains("kind") && o["kind"].is_string() ? o["kind"].get<std::string>() : "");
    d.operators.push_back(std::move(name));
    d.assignment.nodes.push_back(std::move(form));
  }
  return {};
}

Status read_tensors(const DocumentJson& list, AssignmentDocument& d) {
  GraphAssignment& a = d.assignment;
  for (const DocumentJson& t : list) {
    OCTET_ASSIGN(std::string name, name_in(t).at("tensors"));
    const std::string place = fmt::format("tensor '{}'", name);
    DType type = DType::int8;
    Quantization q, narrow;
    if (t.contains("type")) {
      OCTET_ASSIGN(type, dtype_from(t, "type").at(place));
      OCTET_ASSIGN(q, quantization_from(t).at(place));
    }
    if (t.contains("border")) {
      OCTET_ASSIGN(narrow, quantization_from(t["border"]).at(place));
    }
    d.values.push_back(std::move(name));
    a.types.push_back(type);
    a.values.push_back(std::move(q));
    a.narrow.push_back(std::move(narrow));
  }
  return {};
}

Status read_contents(const DocumentJson& list, AssignmentDocument& d) {
  for (const DocumentJson& c : list) {
    OCTET_ASSIGN(std::string name, name_in(c).at("contents"));
    const std::string place = fmt::format("contents of '{}'", name);
    OCTET_ASSIGN(const DType dtype, dtype_from(c, "dtype").at(place));
    const auto bytes = c.contains("data") && c["data"].is_string() ? from_base64(c["data"].get<std::string>())
                                                                   : std::nullopt;
    if (!bytes) return Status::invalid(place + ": 'data' is not base 64");
    d.contents.push_back({std::move(name), dtype, Constant::copy_of(*bytes)});
  }
  return {};
}

Status read_exponents(const DocumentJson& object, AssignmentDocument& d) {
  for (const auto& [name, list] : object.items()) {
    if (!list.is_array()) return Status::invalid(fmt::format("exponents of '{}' are not a list", name));
    for (const DocumentJson& e : list) {
      if (!e.is_number_integer() || e.get<int64_t>() < -128 || e.get<int64_t>() > 127)
        return Status::invalid(fmt::format("exponents of '{}' are not whole numbers from -128 to 127", name));
      d.exponents[name].push_back(e.get<int8_t>());
    }
  }
  return {};
}

}  // namespace

std::string AssignmentDocument::to_json() const {
  DocumentJson ops = DocumentJson::array(), tensors = DocumentJson::array(), exps = DocumentJson::object(),
               data = DocumentJson::array();
  for (size_t i = 0; i < operators.size(); ++i)
    ops.push_back(operator_json(assignment.nodes[i], operators[i], kinds[i]));
  for (size_t i = 0; i < values.size(); ++i) {
    DocumentJson t = {{"name", values[i]}};
    if (assignment.values[i]) {
      t["type"] = std::string(octet::name_of(assignment.types[i]));
      t.update(quantization_json(assignment.values[i]));
    }
    if (assignment.narrow[i]) t["border"] = quantization_json(assignment.narrow[i]);
    tensors.push_back(std::move(t));
  }
  for (const auto& [name, e] : exponents)
    exps[name] = e;
  for (const TensorContents& c : contents)
    data.push_back({{"name", c.name},
                    {"dtype", std::string(octet::name_of(c.dtype))},
                    {"data", to_base64(c.data.bytes())}});
  const DocumentJson json = {
      {"octet_assignment", kVersion},         {"recipe", DocumentJson::parse(recipe.to_json())},
      {"channel_exponents", std::move(exps)}, {"operators", std::move(ops)},
      {"tensors", std::move(tensors)},        {"contents", std::move(data)}};
  return json.dump(1, ' ', false, DocumentJson::error_handler_t::replace) + "\n";
}

Result<AssignmentDocument> AssignmentDocument::from_json(std::string_view text) {
  OCTET_ASSIGN(const nlohmann::json parsed, parse_json(text));
  if (auto version = json_int(parsed, "octet_assignment", kVersion, kVersion); !version.ok())
    return std::move(version).status().at("not an assignment of this version");
  const DocumentJson json = DocumentJson::parse(text);  // it is well-formed; in the order of the file
  AssignmentDocument d;
  const auto member = [&](const char* key, bool list) -> Result<const DocumentJson*> {
    const auto it = json.find(key);
    if (it == json.end() || (list ? !it->is_array() : !it->is_object()))
      return Status::invalid(fmt::format("'{}' is missing", key));
    return &*it;
  };
  OCTET_ASSIGN(const DocumentJson* recipe, member("recipe", false));
  OCTET_ASSIGN(d.recipe, Recipe::from_json(recipe->dump()).at("recipe"));
  OCTET_ASSIGN(const DocumentJson* exponents, member("channel_exponents", false));
  OCTET_TRY(read_exponents(*exponents, d));
  OCTET_ASSIGN(const DocumentJson* operators, member("operators", true));
  OCTET_TRY(read_operators(*operators, d));
  OCTET_ASSIGN(const DocumentJson* tensors, member("tensors", true));
  OCTET_TRY(read_tensors(*tensors, d));
  OCTET_ASSIGN(const DocumentJson* contents, member("contents", true));
  OCTET_TRY(read_contents(*contents, d));
  return d;
}

Status AssignmentDocument::save(const std::string& path) const {
  return write_file(path, to_json());
}

Result<AssignmentDocument> AssignmentDocument::load(const std::string& path) {
  OCTET_ASSIGN(const std::string text, read_file(path));
  return from_json(text).at(path);
}

AssignmentDocument document_of(const Graph& prepared, const GraphAssignment& assignment, const Recipe& recipe,
                               const ChannelExponents& exponents) {
  AssignmentDocument d;
  d.recipe = recipe;
  d.exponents = exponents;
  for (size_t n = 0; n < prepared.nodes.size(); ++n) {
    d.operators.push_back(node_name(prepared, static_cast<NodeId>(n)));
    d.kinds.push_back(kind_name(prepared.nodes[n]));
  }
  for (const Value& v : prepared.values)
    d.values.push_back(v.name);
  d.assignment = assignment;
  d.assignment.findings.clear();
  return d;
}

Result<GraphAssignment> assignment_for(const Graph& prepared, const AssignmentDocument& d) {
  if (d.operators.size() != prepared.nodes.size() || d.values.size() != prepared.values.size())
    return Status::invalid(fmt::format("the assignment has {} operators and {} tensors, the model {} and {}",
                                       d.operators.size(), d.values.size(), prepared.nodes.size(),
                                       prepared.values.size()));
  for (size_t v = 0; v < d.values.size(); ++v) {
    if (d.values[v] != prepared.values[v].name)
      return Status::invalid(fmt::format("the assignment is about tensor '{}' where the model has '{}'",
                                         d.values[v], prepared.values[v].name));
    const Quantization& q = d.assignment.values[v];
    if (!q) continue;
    const IntRange range = range_of(d.assignment.types[v]);
    if (q.is_per_channel() || q.is_blockwise() || q.zero_point() < range.lo || q.zero_point() > range.hi)
      return Status::invalid(fmt::format("tensor '{}' can't be held as the assignment says", d.values[v]));
  }
  for (size_t n = 0; n < d.operators.size(); ++n) {
    const Node& node = prepared.nodes[n];
    const std::string name = node_name(prepared, static_cast<NodeId>(n));
    if (d.operators[n] != name)
      return Status::invalid(fmt::format("the assignment is about operator '{}' where the model has '{}'",
                                         d.operators[n], name));
    const NodeForm& f = d.assignment.nodes[n];
    if (f.kind != FormKind::integer) continue;
    const OpSpec* spec = find_spec(node.kind);
    if (spec == nullptr || !quant_rule(*spec, node).has_int8)
      return Status::invalid(fmt::format("operator '{}' ({}) has no integer form", name, kind_name(node)));
    if (f.inputs.size() != node.inputs.size() || f.outputs.size() != node.outputs.size())
      return Status::invalid(
          fmt::format("operator '{}': {} inputs and {} outputs in the assignment, {} and {} in the model",
                      name, f.inputs.size(), f.outputs.size(), node.inputs.size(), node.outputs.size()));
  }
  return d.assignment;
}

}  // namespace octet
