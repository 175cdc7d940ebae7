// Errors as values. A Status says what went wrong in words that name the file, tensor and op; a Result<T>
// is a T or such a Status. The message is made where the fact is known; callers prepend the place.
//
//   auto model = octet::Model::load("net.tflite");
//   if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
//   use(*model);
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "octet/export.hpp"

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
  cancelled,           // another thread asked to stop
  deadline_exceeded,   // the time that was given is over
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

namespace detail {
// A mistake in the calling program: says which on stderr and aborts.
[[noreturn]] OCTET_API void fail(std::string_view mistake, std::string_view message);
}  // namespace detail

// `*r` and `r->` of an error are a mistake in the program: the error's message goes to stderr and the program
// aborts. Ask ok() first.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  T& operator*() & { return checked(); }
  const T& operator*() const& { return checked(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &checked(); }

  Result at(std::string_view place) && {
    if (!ok()) status_ = std::move(status_).at(place);
    return std::move(*this);
  }

 private:
  T& checked() {
    if (!value_) [[unlikely]]
      detail::fail("the value of an error was used", status_.message());
    return *value_;
  }
  const T& checked() const { return const_cast<Result*>(this)->checked(); }

  std::optional<T> value_;
  Status status_;
};

}  // namespace octet
