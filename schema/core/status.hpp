// Errors as values. A Status says what went wrong in words that name the file, tensor and op; a Result<T>
// is a T or such a Status. The message is made where the fact is known; callers prepend the place.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace octet {

enum class Code {
  ok,
  invalid_argument,    // the caller asked for something that makes no sense
  corrupt_model,       // the bytes are not a well-formed model
  unsupported,         // well-formed, but outside of what Octet does
  declined,            // an implementation does not cover this case; another one is asked
  io_error,            // the operating system refused
  resource_exhausted,  // a size is beyond what memory or an integer can hold
  internal,            // a bug in Octet
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status invalid(std::string m) { return {Code::invalid_argument, std::move(m)}; }
  static Status corrupt(std::string m) { return {Code::corrupt_model, std::move(m)}; }
  static Status unsupported(std::string m) { return {Code::unsupported, std::move(m)}; }
  static Status declined(std::string m) { return {Code::declined, std::move(m)}; }
  static Status io(std::string m) { return {Code::io_error, std::move(m)}; }
  static Status exhausted(std::string m) { return {Code::resource_exhausted, std::move(m)}; }
  static Status internal(std::string m) { return {Code::internal, std::move(m)}; }

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error with "place: " in front of its message; an ok Status is unchanged.
  Status at(std::string_view place) && {
    if (!ok() && !place.empty()) message_ = std::string(place) + ": " + message_;
    return std::move(*this);
  }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

  Result at(std::string_view place) && {
    if (!ok()) status_ = std::move(status_).at(place);
    return std::move(*this);
  }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace octet

// Return the error of `expr` (a Status) to the caller, if it is one.
#define OCTET_TRY(expr)                                                                    \
  do {                                                                                     \
    if (::octet::Status octet_status_ = (expr); !octet_status_.ok()) return octet_status_; \
  } while (false)

#define OCTET_CONCAT_INNER_(a, b) a##b
#define OCTET_CONCAT_(a, b) OCTET_CONCAT_INNER_(a, b)
// Declare or assign `lhs` from a Result, or return its error: OCTET_ASSIGN(auto x, make_x());
#define OCTET_ASSIGN(lhs, expr) OCTET_ASSIGN_INNER_(OCTET_CONCAT_(octet_result_, __LINE__), lhs, expr)
#define OCTET_ASSIGN_INNER_(tmp, lhs, expr)      \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)
