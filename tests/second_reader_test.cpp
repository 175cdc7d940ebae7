// What OpSpec says of other readers, asked of one: every conformance case in every numeric form as a file of
// its own, run by TensorFlow Lite.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

std::string_view name_of(Form f) {
  return f == Form::float32 ? "float32" : f == Form::int8 ? "int8" : f == Form::uint8 ? "uint8" : "int16";
}

// The case as a model of one operator.
ModelData model_of(const OpCase& c, const Prepared& p, Form form) {
  const OpSpec& spec = *find_spec(c.kind);
  Graph g;
  Node n;
  n.kind = p.kind;
  n.attrs = p.attrs;
  n.version = form == Form::float32 ? spec.version_float
              : form == Form::int16 ? spec.version_int16
                                    : spec.version_int8;
  for (size_t i = 0; i < p.in.size(); ++i) {
    if (p.in[i].absent) {
      n.inputs.push_back(kNoValue);
      continue;
    }
    Value v;
    v.name = fmt::format("in{}", i);
    v.dtype = p.in[i].dtype;
    v.shape = p.in[i].shape;
    v.quant = p.in[i].quant;
    v.is_variable = p.in[i].is_variable;
    const TensorRule::Kind rule = spec.quant.has_int8 ? spec.quant.input(i).kind : TensorRule::Kind::keep;
    if (!v.is_variable &&
        (c.inputs[i].constant || rule == TensorRule::Kind::weights || rule == TensorRule::Kind::bias))
      v.constant =
          Constant::copy_of(std::span(p.bytes[i]).first(static_cast<size_t>(byte_size(v.dtype, v.shape))));
    const ValueId id = g.add_value(std::move(v));
    n.inputs.push_back(id);
    if (!g.value(id).is_constant() && !g.value(id).is_variable) g.inputs.push_back(id);
  }
  for (size_t i = 0; i < p.out.size(); ++i) {
    Value v;
    v.name = fmt::format("out{}", i);
    v.dtype = p.out[i].dtype;
    v.shape = p.out[i].shape;
    v.quant = p.out[i].quant;
    n.outputs.push_back(g.add_value(std::move(v)));
    g.outputs.push_back(n.outputs.back());
  }
  g.nodes.push_back(std::move(n));
  ModelData m;
  m.graphs.push_back(std::move(g));
  return m;
}

struct Answer {
  int status = 0;
  std::string words;
};
Answer ask(const std::string& command) {
  Answer a;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "popen"};
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr)
    a.words += buffer.data();
  a.status = WEXITSTATUS(pclose(pipe));
  return a;
}

}  // namespace

TEST_CASE("explore readers") {
  const char* runner = std::getenv("OCTET_TFLITE");
  if (runner == nullptr) {
    MESSAGE("SKIPPED: OCTET_TFLITE names no program that runs a model with TensorFlow Lite");
    return;
  }
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / fmt::format("octet-reader-{}", getpid());
  std::filesystem::create_directories(dir);
  for (const OpCase& c : all_cases()) {
    if (c.bench) continue;
    for (const Form form : {Form::float32, Form::int8, Form::uint8, Form::int16}) {
      const OpSpec& spec = *find_spec(c.kind);
      if (form != Form::float32 && (!c.int8 || !spec.quant.has_int8)) continue;
      const auto p = prepare(c, form);
      if (!p.ok()) continue;
      const auto mine = run(*p, spec.reference, 1);
      if (!mine.ok()) continue;
      const ModelData m = model_of(c, *p, form);
      const std::string path = (dir / "m.tflite").string();
      if (auto s = m.save(path); !s.ok()) {
        printf("ASK %s|%s|%s|not written: %s\n", octet::name_of(c.kind).data(), name_of(form).data(),
               c.name.c_str(), s.message().c_str());
        continue;
      }
      std::string command = fmt::format("{} {} {}", runner, path, dir.string());
      for (ValueId v : m.main().inputs) {
        const size_t i = static_cast<size_t>(std::stoi(m.main().value(v).name.substr(2)));
        const std::string file = (dir / fmt::format("i{}", i)).string();
        std::ofstream(file, std::ios::binary)
            .write(reinterpret_cast<const char*>(p->bytes[i].data()),
                   byte_size(p->in[i].dtype, p->in[i].shape));
        command += " " + file;
      }
      Answer a = ask(command);
      std::string verdict = a.status == 0 ? "runs" : fmt::format("refused {}", a.status);
      if (a.status == 0) {
        double worst = 0, peak = 0;
        for (size_t i = 0; i < p->out.size(); ++i) {
          std::ifstream f(dir / fmt::format("o{}.bin", i), std::ios::binary);
          std::vector<char> bytes{std::istreambuf_iterator<char>(f), {}};
          std::vector<std::byte> raw(reinterpret_cast<std::byte*>(bytes.data()),
                                     reinterpret_cast<std::byte*>(bytes.data() + bytes.size()));
          const auto x = to_raw(p->out[i], raw), y = to_raw(p->out[i], (*mine)[i]);
          for (size_t k = 0; k < std::min(x.size(), y.size()); ++k) {
            if (!(x[k] == y[k])) worst = std::max(worst, std::fabs(x[k] - y[k]));
            peak = std::max(peak, std::fabs(y[k]));
          }
          if (x.size() != y.size()) worst = 1e30;
        }
        verdict += fmt::format(" worst {:.4g} of {:.4g}", worst, peak);
      }
      std::string words;
      for (char ch : a.words.substr(a.words.size() > 300 ? a.words.size() - 300 : 0))
        words += ch == '\n' ? ' ' : ch;
      printf("ASK %s|%s|%s|%s|%s\n", octet::name_of(c.kind).data(), name_of(form).data(), c.name.c_str(),
             verdict.c_str(), a.status == 0 ? "" : words.c_str());
    }
  }
  std::filesystem::remove_all(dir);
}

}  // namespace octet::test
