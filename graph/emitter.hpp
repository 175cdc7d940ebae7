// Adds operators in the place of one that is about to go or to change.
#pragma once

#include <string>
#include <vector>

#include "graph/rule.hpp"

namespace octet {

class Emitter {
 public:
  explicit Emitter(Site& s);

  const Value& value(ValueId v) const { return ed_.graph().value(v); }
  // "<name of the operator>_<suffix><number>": no two are the same.
  ValueId add_value(const char* suffix, DType type, Shape shape, std::vector<int32_t> signature = {});
  ValueId add_constant(const char* suffix, DType type, const Shape& shape, Constant data);
  ValueId floats(const char* suffix, const Shape& shape, const std::vector<float>& data) {
    return add_constant(suffix, DType::float32, shape, Constant::of(data));
  }
  ValueId ints(const char* suffix, const std::vector<int32_t>& data) {
    return add_constant(suffix, DType::int32, Shape{static_cast<int32_t>(data.size())}, Constant::of(data));
  }
  void op(OpKind kind, Attrs attrs, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
          int32_t version = 1);
  // Operators from here on are marked.
  void mark() { marks_ = true; }

 private:
  std::string unique(const char* suffix);
  GraphEditor& ed_;
  NodeId place_;
  std::string name_;
  std::vector<std::string> origins_;
  int count_ = 0;
  bool marks_ = false;
};

}  // namespace octet
