#include "graph/emitter.hpp"

#include <fmt/format.h>

namespace octet {

Emitter::Emitter(Site& s)
    : ed_(s.ed),
      place_(s.consumer_id),
      name_(node_name(s.graph(), s.consumer_id)),
      origins_(s.consumer().origins) {
  if (origins_.empty()) origins_.push_back(name_);
}

std::string Emitter::unique(const char* suffix) {
  return fmt::format("{}_{}{}", name_, suffix, ++count_);
}

ValueId Emitter::add_value(const char* suffix, DType type, Shape shape, std::vector<int32_t> signature) {
  Value v;
  v.name = unique(suffix);
  v.dtype = type;
  v.shape = std::move(shape);
  v.shape_signature = std::move(signature);
  return ed_.add_value(std::move(v));
}

ValueId Emitter::add_constant(const char* suffix, DType type, const Shape& shape, Constant data) {
  return ed_.add_constant(unique(suffix), type, shape, std::move(data));
}

void Emitter::op(OpKind kind, Attrs attrs, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
                 int32_t version) {
  Node n;
  n.kind = kind;
  n.attrs = std::move(attrs);
  n.inputs = std::move(inputs);
  n.outputs = std::move(outputs);
  n.version = version;
  n.origins = origins_;
  const NodeId added = ed_.add_node(std::move(n), place_);
  if (marks_) ed_.mark(added);
}

}  // namespace octet
