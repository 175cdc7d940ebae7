// Passing errors on: macros for functions that return a Status or a Result themselves. Optional; no other
// header includes this one.
#pragma once

#include <utility>

#include "octet/status.hpp"

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
