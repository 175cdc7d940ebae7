// From a document to the quantized model it describes.
#include <algorithm>
#include <fmt/format.h>

#include "graph/verify.hpp"
#include "octet/try.hpp"
#include "quant/entry.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/pipeline.hpp"
#include "quant/portable.hpp"
#include "quant/quantize.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

// The quantized form as it follows from scales alone.
Result<Quantized> quantized_by(const PreparedModel& prepared, const GraphAssignment& a, const Recipe& recipe,
                               std::vector<Finding>& findings) {
  OCTET_ASSIGN(Materialized m, materialize(prepared.graph(), a, recipe.io));
  if (is_integer(recipe.scheme)) OCTET_TRY(verify_quantized(m.graph).at("the assignment"));
  findings = shrink_weights(prepared, m, recipe, nullptr);
  auto model = std::make_shared<ModelData>(*prepared.model);
  model->main() = std::move(m.graph);
  model->path.clear();
  model->file_bytes = 0;
  return Quantized{std::move(model), a, std::move(m.source), {}};
}

}  // namespace

Result<AssignmentDocument> document_of(const Candidate& c) {
  AssignmentDocument d =
      document_of(c.prepared.graph(), c.quantized.assignment, c.recipe, c.prepared.exponents);
  std::vector<Finding> findings;
  OCTET_ASSIGN(const Quantized plain, quantized_by(c.prepared, c.quantized.assignment, c.recipe, findings));
  const Graph &from = plain.model->main(), &to = c.quantized.model->main();
  if (from.values.size() != to.values.size())
    return Status::internal("a candidate is not what its assignment makes");
  for (size_t v = 0; v < to.values.size(); ++v) {
    const Value &a = from.values[v], &b = to.values[v];
    if (!b.is_constant() || std::ranges::equal(a.constant.bytes(), b.constant.bytes())) continue;
    d.contents.push_back({b.name, b.dtype, b.constant});
  }
  return d;
}

Result<Candidate> candidate_of(const ModelData& source, const AssignmentDocument& d) {
  Candidate c;
  c.recipe = d.recipe;
  OCTET_ASSIGN(c.prepared, prepare(source, d.recipe));
  if (!d.exponents.empty()) {
    OCTET_ASSIGN(c.prepared, balance_with(c.prepared, d.exponents));
  }
  OCTET_ASSIGN(const GraphAssignment a, assignment_for(c.prepared.graph(), d));
  OCTET_ASSIGN(c.quantized, quantized_by(c.prepared, a, d.recipe, c.findings));
  std::map<std::string_view, Value*> constants;
  for (Value& v : c.quantized.model->main().values)
    if (v.is_constant()) constants[v.name] = &v;
  for (const TensorContents& contents : d.contents) {
    const auto it = constants.find(contents.name);
    if (it == constants.end())
      return Status::invalid(
          fmt::format("contents of '{}': the quantized model has no such constant", contents.name));
    Value& v = *it->second;
    if (v.dtype != contents.dtype || v.constant.bytes().size() != contents.data.bytes().size())
      return Status::invalid(fmt::format("contents of '{}': {} bytes of {}, the quantized model has {} of {}",
                                         contents.name, contents.data.bytes().size(), name_of(contents.dtype),
                                         v.constant.bytes().size(), name_of(v.dtype)));
    v.constant = contents.data;
  }
  OCTET_TRY(validate(*c.quantized.model).at("the assignment"));
  return c;
}

Result<std::shared_ptr<const ModelData>> portable_model(const Candidate& c) {
  auto model = std::make_shared<ModelData>(*c.quantized.model);
  OCTET_TRY(make_portable(model->main(), c.recipe.reader));
  exchange_main(*model, c.prepared.entry);
  if (auto status = validate(*model); !status.ok())
    return Status::internal("the file's form is wrong: " + status.message());
  return std::shared_ptr<const ModelData>(std::move(model));
}

Result<std::shared_ptr<const ModelData>> apply(const ModelData& source,
                                               const AssignmentDocument& assignment) {
  OCTET_ASSIGN(const Candidate c, candidate_of(source, assignment));
  return portable_model(c);
}

}  // namespace octet
