// Help, man pages and shell completion, all made from the declaration of the command line.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace octet {

std::string help_text(const CLI::App& app);

// The man page of the program (`verb` null) or of a verb, in roff.
std::string man_page(const CLI::App& app, const CLI::App* verb);

// A completion script for "bash", "zsh" or "fish".
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace octet
