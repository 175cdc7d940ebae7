#include "graph/rewriter.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>

#include "graph/patterns.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// What every rewrite needs, so that no rule has to remember it.
bool types_agree(const Rule& rule, const Site& s, bool pair) {
  if (rule.types == Rule::Types::free) return true;
  const DType out = s.output().dtype;
  if (rule.types == Rule::Types::float32 && out != DType::float32) return false;
  return !pair || s.between().dtype == out;
}

bool may_match(const Rule& rule, const Site& s) {
  const Node& consumer = s.consumer();
  if (consumer.outputs.empty() || consumer.outputs[0] == kNoValue) return false;
  if (consumer.outputs.size() != 1 && rule.outputs == Rule::Outputs::one) return false;
  const bool pair = rule.producers.given();
  if (pair) {
    if (s.producer_id < 0 || !rule.producers.contains(s.producer().kind)) return false;
    const ValueId between = consumer.inputs[s.slot];
    if (s.producer().outputs.size() != 1 || s.between().is_variable) return false;
    if (rule.between == Rule::Between::exclusive && !s.ed.is_exclusive(between)) return false;
  }
  return types_agree(rule, s, pair);
}

class Engine {
 public:
  Engine(Graph& g, const Keep& keep, NodeMarks marks) : editor_(g, std::move(marks)), keep_(keep) {}

  // Leaves in `marks` those of the nodes that are left.
  Result<FusionReport> run(std::span<const std::span<const Rule>> tables, NodeMarks& marks) {
    for (size_t i = 0; i < editor_.graph().nodes.size(); ++i)
      work_.insert(static_cast<NodeId>(i));
    // Every rule removes a node, moves one towards the inputs or marks it, so this ends; the limit is a
    // safety net against a table that contradicts itself.
    size_t fuel = 64 * (editor_.graph().nodes.size() + 16);
    while (!work_.empty()) {
      const NodeId n = *work_.begin();
      work_.erase(work_.begin());
      if (editor_.is_dead(n)) continue;
      OCTET_ASSIGN(const bool fired, visit(n, tables));
      if (!fired) continue;
      for (NodeId t : editor_.take_touched())
        work_.insert(t);
      work_.insert(n);
      if (--fuel == 0) return Status::internal("rewrite rules do not come to rest");
    }
    marks = editor_.finish();
    return std::move(report_);
  }

 private:
  Result<bool> visit(NodeId n, std::span<const std::span<const Rule>> tables) {
    if (keep_ && keep_(editor_.graph(), n)) return false;
    for (std::span<const Rule> table : tables) {
      for (const Rule& rule : table) {
        if (!rule.consumers.contains(editor_.node(n).kind)) continue;
        const bool pair = rule.producers.given();
        const size_t slots = pair ? editor_.node(n).inputs.size() : 1;
        for (size_t slot = 0; slot < slots; ++slot) {
          Site site(editor_, pair ? editor_.producer(editor_.node(n).inputs[slot]) : -1, n, slot);
          if (!may_match(rule, site)) continue;
          auto outcome = rule.rewrite(site);
          if (!outcome || outcome->status.code() == Code::declined) continue;
          if (!outcome->status.ok())
            return std::move(outcome->status).at(outcome->where).at(fmt::format("rule '{}'", rule.name));
          report_.entries.push_back({std::string(rule.name), std::move(outcome->where)});
          return true;
        }
      }
    }
    return false;
  }

  GraphEditor editor_;
  const Keep& keep_;
  std::set<NodeId> work_;  // ordered: producers before consumers, the same order on every run
  FusionReport report_;
};

}  // namespace

std::map<std::string, int> FusionReport::counts() const {
  std::map<std::string, int> n;
  for (const Entry& e : entries)
    ++n[e.rule];
  return n;
}

int FusionReport::count(const std::string& rule) const {
  return static_cast<int>(
      std::count_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.rule == rule; }));
}

void FusionReport::append(const FusionReport& other) {
  entries.insert(entries.end(), other.entries.begin(), other.entries.end());
}

std::string FusionReport::to_string() const {
  std::string s;
  for (const Entry& e : entries)
    s += fmt::format("{:<28} {}\n", e.rule, e.where);
  return s;
}

std::string Site::name() const {
  std::string name = node_name(graph(), consumer_id);
  return producer_id < 0 ? name : node_name(graph(), producer_id) + " + " + name;
}

Result<FusionReport> rewrite(Graph& g, std::span<const std::span<const Rule>> tables, const Keep& keep,
                             NodeMarks* marks) {
  OCTET_TRY(check_required(g));
  NodeMarks own;
  NodeMarks& all = marks != nullptr ? *marks : own;
  Engine engine(g, keep, std::move(all));
  return engine.run(tables, all);
}

Result<FusionReport> fuse(Graph& g, NodeMarks* marks) {
  const std::array cleanup = {cleanup_rules(), sign_rules(), layout_rules()};
  const std::array tables = {cleanup_rules(), sign_rules(),    fusion_rules(),
                             branch_rules(),  padding_rules(), layout_rules()};
  OCTET_ASSIGN(FusionReport report, rewrite(g, cleanup, {}, marks));
  // Before arithmetic is folded: its constants are how formulas are known.
  OCTET_ASSIGN(const FusionReport recognized, recognize(g, marks));
  report.append(recognized);
  OCTET_ASSIGN(const FusionReport fused, rewrite(g, tables, {}, marks));
  report.append(fused);
  return report;
}

Result<FusionReport> as_declared(Graph& g) {
  const std::array tables = {scale_rules(), integer_rules()};
  Graph changed = g;
  OCTET_ASSIGN(FusionReport report, rewrite(changed, tables));
  if (!report.entries.empty()) g = std::move(changed);
  return report;
}

Result<FusionReport> lower(Graph& g) {
  const std::array tables = {cleanup_rules(), lower_rules(), fusion_rules()};
  // Before constants are folded: those of integer operators are integers.
  OCTET_ASSIGN(FusionReport report, as_declared(g));
  OCTET_ASSIGN(const FusionReport lowered, rewrite(g, tables));
  report.append(lowered);
  return report;
}

}  // namespace octet
