#include "cli/pages.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include "octet/executor.hpp"

namespace octet {
namespace {

constexpr size_t kColumns = 96, kIndent = 30;

// One option, as the pages need it.
struct Entry {
  std::vector<std::string> flags;  // "--threads", "-o"; empty for a positional
  std::string name;                // positional's name
  std::string value;               // "N", "{a,b}"; empty for a flag without value
  std::vector<std::string> choices;
  std::string description, fallback, group;
  bool required = false, repeats = false;
};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(by, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::vector<Entry> entries_of(const CLI::App& app) {
  std::vector<Entry> entries;
  for (const CLI::Option* o : app.get_options()) {
    Entry e;
    e.name = o->get_positional() ? o->get_name(true) : "";
    for (const std::string& s : o->get_snames())
      e.flags.push_back("-" + s);
    for (const std::string& l : o->get_lnames())
      e.flags.push_back("--" + l);
    e.repeats = o->get_items_expected_max() > 1;
    if (o->get_items_expected_max() > 0) {
      // A set of choices is part of the type: "TEXT:{bash,zsh,fish}".
      const std::string type = o->get_type_name();
      const size_t open = type.find('{'), close = type.rfind('}');
      if (open != std::string::npos && close != std::string::npos)
        e.choices = split(type.substr(open + 1, close - open - 1), ',');
      e.value =
          e.choices.empty() ? type.substr(0, type.find(':')) : fmt::format("{}", fmt::join(e.choices, "|"));
      if (e.value == "TEXT" || e.value.empty()) e.value = "VALUE";
      if (e.value == "INT" || e.value == "UINT") e.value = "N";
      if (e.value == "FLOAT") e.value = "X";
      if (!e.name.empty()) e.value.clear();
      e.fallback = o->get_default_str();
    }
    e.description = o->get_description();
    e.group = o->get_group();
    e.required = o->get_required();
    entries.push_back(std::move(e));
  }
  return entries;
}

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : "octet " + app.get_name();
}

std::string usage_of(const CLI::App& app) {
  std::string text = full_name(app);
  for (const Entry& e : entries_of(app))
    if (!e.name.empty())
      text += fmt::format(" {}{}{}{}", e.required ? "" : "[", e.name, e.repeats ? "..." : "",
                          e.required ? "" : "]");
  for (const Entry& e : entries_of(app))
    if (e.name.empty() && e.required) text += fmt::format(" {} {}", e.flags.back(), e.value);
  if (!subcommands(app).empty()) text += " VERB";
  return text + " [OPTIONS]";
}

std::string description_of(const Entry& e) {
  std::string text = e.description;
  if (!e.fallback.empty() && e.fallback != "0" && e.fallback != "\"\"" && e.fallback != "[]")
    text += fmt::format(" (default {})", e.fallback);
  return text;
}

// `text` in lines of at most kColumns, all but the first indented by `indent`; `at` is where the first
// starts.
std::string wrap(const std::string& text, size_t at, size_t indent) {
  std::string out;
  for (const std::string& word : split(text, ' ')) {
    if (at + word.size() + 1 > kColumns && at > indent) {
      out += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (!out.empty()) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out;
}

std::string row(const std::string& left, const std::string& right) {
  std::string text = "  " + left;
  if (text.size() + 2 > kIndent)
    text += "\n" + std::string(kIndent, ' ');
  else
    text.resize(kIndent, ' ');
  return text + wrap(right, kIndent, kIndent) + "\n";
}

std::string left_of(const Entry& e) {
  if (!e.name.empty()) return e.name;
  return fmt::format("{}{}", fmt::join(e.flags, ", "), e.value.empty() ? "" : " " + e.value);
}

std::vector<std::string> groups_of(const std::vector<Entry>& entries) {
  std::vector<std::string> groups;
  for (const Entry& e : entries)
    if (std::find(groups.begin(), groups.end(), e.group) == groups.end()) groups.push_back(e.group);
  return groups;
}

std::string roff(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out += c;
    }
  }
  return out;
}

// --- Completion ---

std::string words_of(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* sub : subcommands(app))
    words.push_back(sub->get_name());
  for (const Entry& e : entries_of(app))
    for (const std::string& f : e.flags)
      words.push_back(f);
  for (const Entry& e : entries_of(app))
    if (!e.name.empty()) words.insert(words.end(), e.choices.begin(), e.choices.end());
  return fmt::format("{}", fmt::join(words, " "));
}

std::string bash_script(const CLI::App& app) {
  std::string verbs, values;
  for (const CLI::App* sub : subcommands(app)) {
    verbs += fmt::format("    {}) words='{}' ;;\n", sub->get_name(), words_of(*sub));
    for (const Entry& e : entries_of(*sub))
      if (!e.choices.empty() && !e.flags.empty())
        values += fmt::format(
            "    {}' '{}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n", sub->get_name(),
            fmt::format("{}", fmt::join(e.flags, "|" + sub->get_name() + "' '")), fmt::join(e.choices, " "));
  }
  return fmt::format(
      R"(# bash completion for octet; source it, or put it into /usr/share/bash-completion/completions/octet
_octet() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}} words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{}' -- "$cur"))
    return
  fi
  case "$verb $prev" in
{}  esac
  case $verb in
{}    *) words='' ;;
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *)
      COMPREPLY=($(compgen -f -- "$cur"))
      case $verb in help|completion) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;; esac
      ;;
  esac
}}
complete -o filenames -F _octet octet)",
      words_of(app), values, verbs);
}

// Text inside single quotes of zsh and fish.
std::string quoted(std::string text, const std::string& special) {
  std::string out;
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (special.find(c) != std::string::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string first_sentence(const std::string& text) {
  return text.substr(0, std::min(text.find(". "), text.find(";")));
}

std::string zsh_script(const CLI::App& app) {
  std::string verbs, cases;
  for (const CLI::App* sub : subcommands(app)) {
    verbs += fmt::format("    '{}:{}'\n", sub->get_name(), quoted(sub->get_description(), ":"));
    cases += fmt::format("        {}) _arguments", sub->get_name());
    for (const Entry& e : entries_of(*sub)) {
      const std::string text = quoted(first_sentence(e.description), ":[]");
      const std::string value = e.choices.empty() ? "_files" : fmt::format("({})", fmt::join(e.choices, " "));
      if (!e.name.empty()) cases += fmt::format(" '{}:{}:{}'", e.repeats ? "*" : "", e.name, value);
      for (const std::string& f : e.flags)
        cases += fmt::format(" '{}{}[{}]{}'", e.repeats ? "*" : "", f, text,
                             e.value.empty() ? "" : fmt::format(":{}:{}", quoted(e.value, ":[]"), value));
    }
    cases += " ;;\n";
  }
  return fmt::format(R"(#compdef octet
_octet() {{
  local -a verbs
  local context state line
  verbs=(
{}  )
  _arguments -C '1:verb:->verb' '*::argument:->rest'
  case $state in
    verb) _describe verb verbs ;;
    rest)
      case $line[1] in
{}      esac
      ;;
  esac
}}
_octet "$@")",
                     verbs, cases);
}

std::string fish_script(const CLI::App& app) {
  std::string text = "# fish completion for octet\n";
  for (const CLI::App* sub : subcommands(app)) {
    text += fmt::format("complete -c octet -f -n __fish_use_subcommand -a {} -d '{}'\n", sub->get_name(),
                        quoted(sub->get_description(), "\\"));
    for (const Entry& e : entries_of(*sub)) {
      if (e.flags.empty()) continue;
      text += fmt::format("complete -c octet -n '__fish_seen_subcommand_from {}'", sub->get_name());
      for (const std::string& f : e.flags)
        text += f.starts_with("--") ? " -l " + f.substr(2) : " -s " + f.substr(1);
      if (!e.value.empty()) text += " -r";
      if (!e.choices.empty()) text += fmt::format(" -f -a '{}'", fmt::join(e.choices, " "));
      text += fmt::format(" -d '{}'\n", quoted(first_sentence(e.description), "\\"));
    }
  }
  return text;
}

}  // namespace

std::string help_text(const CLI::App& app) {
  std::string text = wrap(app.get_description(), 0, 0) + "\n\nusage: " + usage_of(app) + "\n";
  if (!subcommands(app).empty()) {
    text += "\nVerbs:\n";
    for (const CLI::App* sub : subcommands(app))
      text += row(sub->get_name(), sub->get_description());
  }
  const std::vector<Entry> entries = entries_of(app);
  for (const std::string& group : groups_of(entries)) {
    text += "\n" + group + ":\n";
    for (const Entry& e : entries)
      if (e.group == group) text += row(left_of(e), description_of(e));
  }
  if (!app.get_footer().empty()) text += "\n";
  for (const std::string& line : split(app.get_footer(), '\n'))
    text += wrap(line, 0, 0) + "\n";
  while (text.ends_with("\n"))
    text.pop_back();
  return text;
}

std::string man_page(const CLI::App& app, const CLI::App* verb) {
  const CLI::App& page = verb == nullptr ? app : *verb;
  const std::string name = verb == nullptr ? "octet" : "octet-" + verb->get_name();
  std::string text =
      fmt::format(".TH {} 1 \"\" \"octet {}\" \"Octet\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B {}\n", name,
                  version(), roff(name), roff(page.get_description()), roff(usage_of(page)));
  if (!subcommands(page).empty()) {
    text += ".SH VERBS\n";
    for (const CLI::App* sub : subcommands(page))
      text +=
          fmt::format(".TP\n.BR octet\\-{} (1)\n{}\n", roff(sub->get_name()), roff(sub->get_description()));
  }
  const std::vector<Entry> entries = entries_of(page);
  for (const std::string& group : groups_of(entries)) {
    std::string title = group;
    for (char& c : title)
      c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    text += fmt::format(".SH {}\n", roff(title));
    for (const Entry& e : entries)
      if (e.group == group)
        text += fmt::format(".TP\n.B {}\n{}\n", roff(left_of(e)), roff(description_of(e)));
  }
  if (!page.get_footer().empty()) {
    text += ".SH NOTES\n";
    for (const std::string& line : split(page.get_footer(), '\n'))
      text += line.empty() ? ".PP\n" : roff(line) + "\n.br\n";
  }
  text +=
      ".SH EXIT STATUS\n0: done; 1: failed, with one line on standard error that names the file, operator "
      "and tensor; 2: wrong use.\n";
  text += verb == nullptr ? ".SH SEE ALSO\noctet help VERB" : ".SH SEE ALSO\n.BR octet (1)";
  return text;
}

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash_script(app);
  return shell == "zsh" ? zsh_script(app) : fish_script(app);
}

}  // namespace octet
