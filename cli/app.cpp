#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <new>

#include "cli/args.hpp"
#include "cli/command.hpp"
#include "cli/pages.hpp"

namespace octet {
namespace {

constexpr std::array kVerbs = {
    Verb{"inspect", "Show what a model consists of and which kernels would run it", add_inspect},
    Verb{"run", "Run a model on data", add_run},
    Verb{"calibrate", "Record what values a float model's tensors take", add_calibrate},
    Verb{"quantize", "Make an int8 model from a float one", add_quantize},
    Verb{"evaluate", "Measure a classifier's accuracy", add_evaluate},
    Verb{"compare", "Measure how far two models are apart", add_compare},
    Verb{"bench", "Measure how fast models are", add_bench},
    Verb{"convert", "Convert between .tflite and .circle", add_convert},
    Verb{"extract", "Write quantization parameters and integer tensors to files", add_extract},
    Verb{"implant", "Put extracted (or self-made) parameters and tensors into a model", add_implant},
};

std::string version_text() {
  const CpuInfo cpu = cpu_info();
  return fmt::format("octet {}\nXNNPACK {}\nCPU {} ({}): {}\nthreads {}", version(), cpu.xnnpack, cpu.name,
                     cpu.architecture, fmt::join(cpu.features, " "), default_threads());
}

Json version_json() {
  const CpuInfo cpu = cpu_info();
  return {{"octet", version()},       {"xnnpack", cpu.xnnpack},
          {"cpu", cpu.name},          {"architecture", cpu.architecture},
          {"features", cpu.features}, {"threads", default_threads()}};
}

// One line, whatever a message or file name contains.
std::string one_line(std::string text) {
  for (size_t at; (at = text.find_first_of("\r\n")) != std::string::npos;)
    text.replace(at, 1, " ");
  return text;
}

int fail(int code, const std::string& message) {
  std::fflush(stdout);
  fmt::print(stderr, "octet: error: {}\n", one_line(message));
  return code;
}

// Output may have failed to be written.
int finish() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return fail(1, "standard output: cannot write");
  return 0;
}

struct PageRequest {
  std::string verb, shell;
  bool man = false;
};

int show_help(CLI::App& app, const PageRequest& request) {
  CLI::App* about = &app;
  if (!request.verb.empty()) {
    const auto named = app.get_subcommands([&](CLI::App* sub) { return sub->get_name() == request.verb; });
    about = named.empty() ? nullptr : named.front();
    if (about == nullptr) return fail(2, fmt::format("help: there is no verb '{}'", request.verb));
  }
  print(request.man ? man_page(app, about == &app ? nullptr : about) : help_text(*about));
  return finish();
}

// The program's declaration, from which help, completion and man pages are made. `actions` gets one per verb.
std::unique_ptr<CLI::App> make_app(Context& context, std::vector<Action>& actions, bool& wants_version) {
  auto app = std::make_unique<CLI::App>("Run neural networks, and turn float ones into int8 ones.", "octet");
  app->set_help_flag("-h,--help", "Show this help");
  app->set_help_all_flag();
  app->add_flag("--version", wants_version,
                "Show the versions of Octet and XNNPACK, the CPU's features and the number of threads");
  app->add_flag("--json", context.json, "Print one JSON document (with --version)");
  app->require_subcommand(0, 1);
  app->get_formatter()->column_width(34);
  app->footer("octet help VERB tells more about a verb. Exit codes: 0 done, 1 failed, 2 wrong use.");
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = app->add_subcommand(std::string(verb.name), std::string(verb.summary));
    sub->set_help_flag("-h,--help", "Show this help");
    Options options(*sub);
    Action action = verb.add(options);
    sub->add_flag("--json", context.json, "Print one JSON document on standard output");
    actions.push_back(std::move(action));
  }
  return app;
}

}  // namespace

int run_octet(int argc, const char* const* argv) {
  try {
    Context context;
    std::vector<Action> actions;
    bool wants_version = false;
    const auto app = make_app(context, actions, wants_version);
    PageRequest request;
    CLI::App* help = app->add_subcommand("help", "Show help on the program or a verb");
    help->add_option("VERB", request.verb, "What to explain");
    help->add_flag("--man", request.man, "Print a man page (roff)");
    help->add_flag("--json", context.json, "Print one JSON document: the names of the verbs");
    CLI::App* completion = app->add_subcommand("completion", "Print a completion script for a shell");
    completion->add_option("SHELL", request.shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    completion->add_flag("--json", context.json, "Print one JSON document: the script as a string");
    try {
      app->parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      const auto parsed = app->get_subcommands();
      print(help_text(parsed.empty() ? *app : *parsed.front()));
      return finish();
    } catch (const CLI::ParseError& e) {
      const auto parsed = app->get_subcommands();
      return fail(2, parsed.empty() ? fmt::format("{} (see octet help)", e.what())
                                    : fmt::format("{0}: {1} (see octet help {0})", parsed.front()->get_name(),
                                                  e.what()));
    }
    if (wants_version) {
      if (context.json)
        print_json(version_json());
      else
        print(version_text());
      return finish();
    }
    if (help->parsed() && context.json) {
      Json names = Json::array();
      for (const Verb& v : kVerbs)
        names.push_back({{"verb", v.name}, {"summary", v.summary}});
      print_json({{"verbs", names}});
      return finish();
    }
    if (help->parsed()) return show_help(*app, request);
    if (completion->parsed()) {
      const std::string script = completion_script(*app, request.shell);
      if (context.json)
        print_json({{"shell", request.shell}, {"script", script}});
      else
        print(script);
      return finish();
    }
    for (size_t i = 0; i < kVerbs.size(); ++i) {
      if (!app->get_subcommand(std::string(kVerbs[i].name))->parsed()) continue;
      const Status status = actions[i](context);
      if (status.ok()) return finish();
      return fail(context.misused() ? 2 : 1, context.misused() ? fmt::format("{0}: {1} (see octet help {0})",
                                                                             kVerbs[i].name, status.message())
                                                               : status.message());
    }
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", help_text(*app));
    return fail(2, "no verb given (see octet help)");
  } catch (const std::bad_alloc&) {
    return fail(1, "out of memory");
  } catch (const std::exception& e) {
    return fail(1, fmt::format("internal: {}", e.what()));
  }
}

}  // namespace octet
