#include "quant/json_util.hpp"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "octet/try.hpp"

namespace octet {
namespace {

// A parser's answer to nesting is recursion; no file of ours is deeper than this.
constexpr int kMaxDepth = 32;

bool too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Result<const nlohmann::json*> member(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return Status::invalid(fmt::format("no object that could hold '{}'", key));
  const auto it = object.find(key);
  if (it == object.end()) return Status::invalid(fmt::format("'{}' is missing", key));
  return &*it;
}

Status io_error(const std::string& path, const char* what) {
  return Status::io(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text) {
  if (too_deep(text)) return Status::invalid("JSON is nested too deeply");
  nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return Status::invalid("is not valid JSON");
  return json;
}

Result<int64_t> json_int(const nlohmann::json& object, const char* key, int64_t lo, int64_t hi) {
  OCTET_ASSIGN(const nlohmann::json* v, member(object, key));
  if (!v->is_number_integer()) return Status::invalid(fmt::format("'{}' is not an integer", key));
  if (v->is_number_unsigned() && v->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return Status::invalid(fmt::format("'{}' is out of range", key));
  const auto n = v->get<int64_t>();
  if (n < lo || n > hi) return Status::invalid(fmt::format("'{}' is out of range", key));
  return n;
}

Result<double> json_real(const nlohmann::json& object, const char* key) {
  OCTET_ASSIGN(const nlohmann::json* v, member(object, key));
  if (!v->is_number()) return Status::invalid(fmt::format("'{}' is not a number", key));
  const auto x = v->get<double>();
  if (!std::isfinite(x)) return Status::invalid(fmt::format("'{}' is not finite", key));
  return x;
}

Result<std::string> json_string(const nlohmann::json& object, const char* key) {
  OCTET_ASSIGN(const nlohmann::json* v, member(object, key));
  if (!v->is_string()) return Status::invalid(fmt::format("'{}' is not a string", key));
  return v->get<std::string>();
}

Result<std::string> read_file(const std::string& path) {
  std::FILE* f = std::fopen(path.c_str(), "rb");
  if (f == nullptr) return io_error(path, "cannot open");
  std::string text;
  char buffer[65536];
  size_t n = 0;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0)
    text.append(buffer, n);
  const bool bad = std::ferror(f) != 0;
  std::fclose(f);
  if (bad) return io_error(path, "cannot read");
  return text;
}

Status write_file(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkstemp(temporary.data());
  if (fd < 0) return io_error(path, "cannot write");
  bool ok = ::fchmod(fd, 0644) == 0;
  for (size_t done = 0; ok && done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    ok = n > 0;
    if (ok) done += static_cast<size_t>(n);
  }
  ok = ok && ::fsync(fd) == 0;
  const int error = errno;
  ok = ::close(fd) == 0 && ok;
  if (ok) ok = std::rename(temporary.c_str(), path.c_str()) == 0;
  if (ok) return {};
  if (error != 0) errno = error;
  Status status = io_error(path, "cannot write");
  ::unlink(temporary.c_str());
  return status;
}

}  // namespace octet
