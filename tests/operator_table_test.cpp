// docs/OPERATORS.md lists what Octet knows of each operator. This test works the table out anew, from the
// specs and from which implementation takes which of the conformance cases, and compares; with
// OCTET_WRITE_TABLE=1 it writes the page.
#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "runtime/plan.hpp"
#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

using Kind = TensorRule::Kind;

// The implementations that take at least one case of an operator.
struct Takers {
  std::set<size_t> fast;  // indices into OpSpec::fast
  bool reference = false;

  std::string text(const OpSpec& spec) const {
    std::vector<std::string> names;
    for (size_t i : fast)
      if (std::find(names.begin(), names.end(), spec.fast[i].name) == names.end())
        names.emplace_back(spec.fast[i].name);
    if (fast.empty() && reference) return "reference";
    return names.empty() ? "" : fmt::format("{}", fmt::join(names, ", "));
  }
};

struct Row {
  Takers float32, int8, uint8, int16;
  std::set<std::string> other;  // types of real data in cases without a float
};

bool has_float_input(const OpCase& c) {
  return std::any_of(c.inputs.begin(), c.inputs.end(),
                     [](const CaseTensor& t) { return !t.absent && t.dtype == DType::float32; });
}

void take(const OpCase& c, Form form, Takers& takers) {
  const OpSpec& spec = *find_spec(c.kind);
  const auto p = prepare(c, form);
  if (!p.ok()) return;
  ThreadPool pool(1);
  for (size_t i = 0; i < spec.fast.size(); ++i)
    if (spec.fast[i].create(p->node(), pool).ok()) takers.fast.insert(i);
  takers.reference = takers.reference || spec.reference.create(p->node(), pool).ok();
}

std::map<OpKind, Row> rows() {
  std::map<OpKind, Row> table;
  for (const OpCase& c : all_cases()) {
    Row& row = table[c.kind];
    const OpSpec& spec = *find_spec(c.kind);
    if (!has_float_input(c)) {
      for (const CaseTensor& t : c.inputs)
        if (!t.absent && !t.constant) row.other.insert(std::string(name_of(t.dtype)));
      for (const DType t : c.outputs)
        if (t == DType::float32) take(c, Form::float32, row.float32);
      continue;
    }
    take(c, Form::float32, row.float32);
    if (c.int8 && spec.quant.has_int8) take(c, Form::int8, row.int8);
    if (c.int8 && spec.quant.has_int8) take(c, Form::int16, row.int16);
    if (c.uint8 && spec.quant.has_int8) take(c, Form::uint8, row.uint8);
  }
  return table;
}

std::string rule_text(const TensorRule& r) {
  switch (r.kind) {
    case Kind::activation: return "int8";
    case Kind::weights: return r.a < 0 ? "weights" : fmt::format("weights (axis {})", r.a);
    case Kind::bias: return "int32 bias";
    case Kind::same_as_input: return fmt::format("as input {}", r.a);
    case Kind::same_as_output: return fmt::format("as output {}", r.a);
    case Kind::fixed: return fmt::format("1/{:g} ({:+})", 1 / r.value.scale, r.value.zero_point);
    case Kind::keep: return r.a < 0 ? "kept" : std::string(name_of(static_cast<DType>(r.a)));
    default: return "int16";
  }
}

std::string rules_text(const std::vector<TensorRule>& rules) {
  std::vector<std::string> parts;
  for (const TensorRule& r : rules)
    parts.push_back(rule_text(r));
  // Long lists repeat themselves (recurrent operators).
  if (parts.size() > 6) return "see the source";
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string int8_text(const OpSpec& spec) {
  if (!spec.quant.has_int8) return fmt::format("none: {}", spec.quant.why_not);
  return fmt::format("{} → {}", rules_text(spec.quant.inputs), rules_text(spec.quant.outputs));
}

// What another reader computes of it.
std::string forms_text(const OpSpec& spec, const Forms& f) {
  if (!f.any()) return "";
  if (!spec.quant.has_int8) return "yes";
  std::string text = f.float32 ? "float" : "";
  if (f.int8) text += ", int8";
  if (f.int16) text += ", int16";
  return spec.readers.takes != nullptr && f.int8 ? text + " (some)" : text;
}

std::string line_of(OpKind kind, const Row& row) {
  const OpSpec& spec = *find_spec(kind);
  const int code = builtin_code_of(kind);
  const auto cell = [&](const Takers& t) { return t.text(spec); };
  std::string float32 = cell(row.float32);
  if (is_run_by_executor(kind)) float32 = "runtime";
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |", name_of(kind),
                     code < 0 ? fmt::format("circle {}", code) : std::to_string(code), float32,
                     cell(row.int8), cell(row.uint8), cell(row.int16), fmt::join(row.other, ", "),
                     int8_text(spec), forms_text(spec, spec.readers.tflite),
                     forms_text(spec, spec.readers.micro), spec.notes);
}

const char* const kHead =
    R"page(# Operators

What Octet knows of each operator. The table is worked out by a test (`tests/operator_table_test.cpp`) from the
operators' specs and from which implementation takes which conformance case.

*xnnpack*: a kernel of XNNPACK. *reference*: the portable C++ that defines the result; every operator has one, and it
runs what no faster kernel takes (`octet inspect` says which, and why not a faster one). Other names are those of
Octet's own kernels. Where several take a case, the one with the lowest estimated cost runs.
The environment variable `OCTET_ISA` lowers the instruction set that all kernels are chosen for, XNNPACK's included:
`base`, `sse4.1`, `avx2`, `avx-vnni`, `avx512`, `avx512-vnni` on x86, `neon`, `neon-dot`, `i8mm` on ARM (32-bit: `base`, too).
*runtime*: done by the executor itself. An empty cell: no form in this type. *Other types* are those of operators that
work on integers or booleans as such. *int16*: 16-bit activations with int8 weights (scheme `int16x8`).

*int8 rule*: how inputs → outputs are quantized. "int8": by its own scale and zero point, from calibration. "as input 0":
the scale and zero point of that input. "1/256 (-128)": fixed by the operator. "weights": symmetric, one scale per slice
of the axis. "kept": indices, shapes and the like, and floats that stay floats. The last rule of a list repeats.

*TFLite*, *TFLM*: the types of activations that TensorFlow Lite 2.14 and TensorFlow Lite Micro compute an operator in,
with the right result; empty: they do not have it; "some": not every case. What a file is made for (`--for`) decides by
this which operators stand in it as DEQUANTIZE, float operator, QUANTIZE. Octet runs these in integers all the same. The
sources are their kernels; `OCTET_TFLITE=program ./dev check reader` asks TensorFlow Lite.

| operator | code | float32 | int8 | uint8 | int16 | other types | int8 rule | TFLite | TFLM | limits |
|---|---|---|---|---|---|---|---|---|---|---|
)page";

}  // namespace

TEST_CASE("docs/OPERATORS.md is what the specs say") {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  if (std::getenv("OCTET_EMULATED") != nullptr) {
    MESSAGE("SKIPPED: another CPU may have other kernels");
    return;
  }
  const auto table = rows();
  std::string text = kHead;
  for (int k = 0; k < kOpKindCount; ++k) {
    const auto kind = static_cast<OpKind>(k);
    const auto at = table.find(kind);
    text += line_of(kind, at == table.end() ? Row() : at->second) + "\n";
  }
  const std::string page = std::string(root) + "/docs/OPERATORS.md";
  if (std::getenv("OCTET_WRITE_TABLE") != nullptr) std::ofstream(page) << text;
  std::ifstream in(page);
  const std::string have{std::istreambuf_iterator<char>(in), {}};
  CHECK_MESSAGE(have == text, "run the test with OCTET_WRITE_TABLE=1 to write the page anew");
}

}  // namespace octet::test
