#include "cli/options.hpp"

#include <CLI/CLI.hpp>

namespace octet {

Option& Option::required() {
  option_->required();
  return *this;
}
Option& Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}
Option& Option::group(const std::string& name) {
  option_->group(name);
  return *this;
}
Option& Option::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}
Option& Option::range(double least, double most) {
  option_->check(CLI::Range(least, most));
  return *this;
}
Option& Option::one_value_each() {
  option_->allow_extra_args(false);
  return *this;
}
Option& Option::show_default() {
  option_->capture_default_str();
  return *this;
}

Option Options::add(const std::string& names, std::string& value, const std::string& description) {
  return Option(app_->add_option(names, value, description));
}
Option Options::add(const std::string& names, std::vector<std::string>& values,
                    const std::string& description) {
  return Option(app_->add_option(names, values, description));
}
Option Options::add(const std::string& names, int& value, const std::string& description) {
  return Option(app_->add_option(names, value, description));
}
Option Options::add(const std::string& names, int64_t& value, const std::string& description) {
  return Option(app_->add_option(names, value, description));
}
Option Options::add(const std::string& names, double& value, const std::string& description) {
  return Option(app_->add_option(names, value, description));
}
Option Options::add_flag(const std::string& names, bool& value, const std::string& description) {
  return Option(app_->add_flag(names, value, description));
}
Option Options::find(const std::string& name) {
  return Option(app_->get_option(name));
}
void Options::footer(const std::string& text) {
  app_->footer(text);
}

}  // namespace octet
