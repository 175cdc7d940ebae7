// How verbs declare their options. The parser behind it is CLI11, whose templates cost seconds in every file
// that sees them: options.cpp, app.cpp and pages.cpp alone do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace octet {

// An option that was declared, to be described further.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option& required();
  Option& type_name(const std::string& name);  // what help calls its value
  Option& group(const std::string& name);
  Option& one_of(const std::vector<std::string>& values);
  Option& range(double least, double most);
  Option& one_value_each();  // may be given several times, each time with one value
  Option& show_default();

 private:
  CLI::Option* option_;
};

// The options of one verb. `names`: "MODEL", "--threads" or "-o,--output". What a value is written to must
// outlive the parsing, and is left alone when the option is not given.
class Options {
 public:
  explicit Options(CLI::App& app) : app_(&app) {}
  Option add(const std::string& names, std::string& value, const std::string& description);
  Option add(const std::string& names, std::vector<std::string>& values, const std::string& description);
  Option add(const std::string& names, int& value, const std::string& description);
  Option add(const std::string& names, int64_t& value, const std::string& description);
  Option add(const std::string& names, double& value, const std::string& description);
  Option add_flag(const std::string& names, bool& value, const std::string& description);
  Option find(const std::string& name);  // one that is there
  void footer(const std::string& text);  // below the options in help and manual

 private:
  CLI::App* app_;
};

}  // namespace octet
