// Oracles for operators that only move data: where does each output element come from?
#pragma once

#include <optional>

#include "tests/support/op_case.hpp"

namespace octet::test {

using Index = std::vector<int64_t>;

inline int64_t flat(const Shape& s, const Index& i) {
  int64_t at = 0;
  for (int a = 0; a < s.rank(); ++a)
    at = at * s[a] + i[static_cast<size_t>(a)];
  return at;
}

template <class F>
void for_each_index(const Shape& s, F f) {
  Index i(static_cast<size_t>(s.rank()), 0);
  for (int64_t n = s.elements(); n > 0; --n) {
    f(i);
    for (int a = s.rank() - 1; a >= 0; --a) {
      if (++i[static_cast<size_t>(a)] < s[a]) break;
      i[static_cast<size_t>(a)] = 0;
    }
  }
}

// The value of output 0 at `index`, from the operator's inputs as real numbers.
using ValueAt = std::function<double(const NodeDesc& n, const Values& in, const Index& index)>;

inline Oracle each_value(ValueAt f) {
  return [f = std::move(f)](const NodeDesc& n, const Values& in) -> Values {
    std::vector<double> out;
    for_each_index(n.out[0].shape, [&](const Index& i) { out.push_back(f(n, in, i)); });
    return {out};
  };
}

// The element of input `source` that output element `index` shows; nothing stands for real 0.
using From = std::function<std::optional<Index>(const NodeDesc& n, const Values& in, const Index& index)>;

inline Oracle moved(From from, size_t source = 0) {
  return each_value([from = std::move(from), source](const NodeDesc& n, const Values& in, const Index& i) {
    const auto at = from(n, in, i);
    return at ? in[source][static_cast<size_t>(flat(n.in[source].shape, *at))] : 0.0;
  });
}

inline const Oracle same_values = [](const NodeDesc&, const Values& in) -> Values { return {in[0]}; };

inline CaseTensor of_type(CaseTensor t, DType d) {
  t.dtype = d;
  return t;
}

// Moved integers stay what they are: the int8 form of a case must be exact.
inline constexpr double kExact = -0.499;

// A row whose output has the type of its data.
inline OpCase moving(std::string name, OpKind kind, Attrs attrs, std::vector<CaseTensor> in, Oracle oracle) {
  const DType t =
      in[kind == OpKind::SPLIT || kind == OpKind::FILL || kind == OpKind::EMBEDDING_LOOKUP ? 1 : 0].dtype;
  return {.name = std::move(name),
          .kind = kind,
          .attrs = std::move(attrs),
          .inputs = std::move(in),
          .outputs = {t},
          .oracle = std::move(oracle),
          .uint8 = true,
          .int8_lsb = kExact};
}

// The tables that movement_cases() joins.
void slice_cases(std::vector<OpCase>& t);
void index_cases(std::vector<OpCase>& t);
void block_cases(std::vector<OpCase>& t);

}  // namespace octet::test
