// fmt's code, compiled once for the whole program. Every other file includes fmt's headers in their light,
// declaring form; Debian has fmt as headers and as a shared library, and the program is linked statically.
#define FMT_HEADER_ONLY
#include <cstdio>
#include <fmt/format.h>
#include <string>

namespace {

// Inline functions are emitted only where they are used.
[[gnu::used]] std::string (*const keep_vformat)(fmt::string_view, fmt::format_args) = &fmt::vformat;
[[gnu::used]] void (*const keep_vprint)(std::FILE*, fmt::string_view, fmt::format_args) = &fmt::vprint;
[[gnu::used]] void (*const keep_throw)(const char*) = &fmt::detail::throw_format_error;
[[gnu::used]] void (*const keep_assert)(const char*, int, const char*) = &fmt::detail::assert_fail;

// What the formatters of fmt::join need.
[[gnu::used]] auto* const keep_separator = &fmt::detail::thousands_sep_impl<char>;
[[gnu::used]] auto* const keep_point = &fmt::detail::decimal_point_impl<char>;

}  // namespace
