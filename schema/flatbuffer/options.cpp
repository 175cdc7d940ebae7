// Options of operators, wire to memory and back. options_fields.hpp says which field holds which member; a
// Decoder or an Encoder walks that list, so the two directions can't come apart.
#include <fmt/format.h>

#include "octet/try.hpp"
#include "schema/flatbuffer/format.hpp"
#include "schema/flatbuffer/options_fields.hpp"

namespace octet {
namespace {

struct NoTable {};  // the operator has no options in the format

// ---- one value, wire to memory ------------------------------------------------------------------------

Status decode(int32_t w, int32_t& v) {
  v = w;
  return {};
}
Status decode(bool w, bool& v) {
  v = w;
  return {};
}
Status decode(float w, float& v) {
  v = w;
  return {};
}

// `w` as the enum E when it is one of 0..last.
template <class E, class W>
Status decode_enum(W w, int last, std::string_view what, E& v) {
  const int code = static_cast<int>(w);
  if (code < 0 || code > last) return Status::corrupt(fmt::format("unknown {} {}", what, code));
  v = static_cast<E>(code);
  return {};
}
Status decode(wire::Padding w, Padding& v) {
  return decode_enum(w, 1, "padding", v.kind);
}
Status decode(wire::ActivationFunctionType w, Activation& v) {
  return decode_enum(w, 5, "activation", v.kind);
}
Status decode(wire::TensorType w, DType& v) {
  return decode_enum(w, kDTypeCount - 1, "element type", v);
}
Status decode(wire::MirrorPadMode w, MirrorPadAttrs::Mode& v) {
  return decode_enum(w, 1, "padding mode", v);
}
Status decode(wire::RoPEMode w, RopeAttrs::Mode& v) {
  return decode_enum(w, 1, "mode", v);
}
Status decode(wire::LSTMKernelType w, bool& basic) {
  return decode_enum(w, 1, "kernel type", basic);
}
Status decode(wire::WeightsFormat w, int32_t& v) {
  v = static_cast<int32_t>(w);
  if (v == 0 || v == 1 || v == 127) return {};
  return Status::corrupt(fmt::format("unknown weights format {}", v));
}

// ---- one value, memory to wire ------------------------------------------------------------------------

Status encode(int32_t v, int32_t& w) {
  w = v;
  return {};
}
Status encode(bool v, bool& w) {
  w = v;
  return {};
}
Status encode(float v, float& w) {
  w = v;
  return {};
}
Status encode(const Padding& v, wire::Padding& w) {
  if (v.kind == Padding::Kind::explicit_)
    return Status::unsupported("has explicit padding, which the file format cannot express");
  w = static_cast<wire::Padding>(v.kind);
  return {};
}
Status encode(const Activation& v, wire::ActivationFunctionType& w) {
  if (v.kind == Activation::Kind::clamp)
    return Status::unsupported(
        fmt::format("has a fused clamp to [{}, {}], which the file format cannot express", v.lo, v.hi));
  w = static_cast<wire::ActivationFunctionType>(v.kind);
  return {};
}
template <class V, class W>
  requires std::is_enum_v<W>
Status encode(const V& v, W& w) {
  w = static_cast<W>(v);
  return {};
}

// ---- one table ----------------------------------------------------------------------------------------

template <class T>
struct Decoder {
  const T& table;
  Status status;

  template <class V, class Get, class Add>
  void operator()(V& value, Get get, Add) {
    if (status.ok()) status = decode(get(table), value);
  }
};

template <class T>
struct Encoder {
  typename T::Builder& builder;
  Status status;

  template <class V, class Get, class Add>
  void operator()(const V& value, Get, Add add) {
    std::invoke_result_t<Get, const T&> w{};
    if (status.ok()) status = encode(value, w);
    if (status.ok()) add(builder, w);
  }
};

template <class T, class A>
Status decode_table(const T& table, A& attrs) {
  Decoder<T> io{table, {}};
  fields(&table, io, attrs);
  return io.status;
}
template <class T, class A>
Status encode_table(flatbuffers::FlatBufferBuilder& fbb, const A& attrs, flatbuffers::Offset<void>& out) {
  typename T::Builder builder(fbb);
  Encoder<T> io{builder, {}};
  fields(static_cast<const T*>(nullptr), io, attrs);
  out = builder.Finish().Union();  // also after an error: the builder must be left in a sane state
  return io.status;
}

// Tables without fields.
template <class T>
Status decode_table(const T&, NoAttrs&) {
  return {};
}
template <class T>
Status encode_table(flatbuffers::FlatBufferBuilder& fbb, const NoAttrs&, flatbuffers::Offset<void>& out) {
  out = typename T::Builder(fbb).Finish().Union();
  return {};
}

// Tables with vectors and strings, which must be written before the table.
Status decode_axes(const flatbuffers::Vector<int32_t>* w, std::vector<int32_t>& v) {
  if (w == nullptr) return {};
  if (w->size() > static_cast<uint32_t>(Shape::kMaxRank))
    return Status::corrupt(fmt::format("has options for {} axes, more than {}", w->size(), Shape::kMaxRank));
  v.assign(w->begin(), w->end());
  return {};
}
Status decode_table(const wire::ReshapeOptions& t, ReshapeAttrs& a) {
  a.has_shape = t.new_shape() != nullptr;
  return decode_axes(t.new_shape(), a.new_shape);
}
template <class T>
Status encode_table(flatbuffers::FlatBufferBuilder& fbb, const ReshapeAttrs& a,
                    flatbuffers::Offset<void>& out) {
  flatbuffers::Offset<flatbuffers::Vector<int32_t>> shape;
  if (a.has_shape) shape = fbb.CreateVector(a.new_shape);
  out = wire::CreateReshapeOptions(fbb, shape).Union();
  return {};
}
Status decode_table(const wire::SqueezeOptions& t, SqueezeAttrs& a) {
  return decode_axes(t.squeeze_dims(), a.axes);
}
template <class T>
Status encode_table(flatbuffers::FlatBufferBuilder& fbb, const SqueezeAttrs& a,
                    flatbuffers::Offset<void>& out) {
  out = wire::CreateSqueezeOptions(fbb, fbb.CreateVector(a.axes)).Union();
  return {};
}
Status decode_table(const wire::VarHandleOptions& t, VarHandleAttrs& a) {
  if (t.container() != nullptr) a.container = clean_text(t.container()->string_view());
  if (t.shared_name() != nullptr) a.shared_name = clean_text(t.shared_name()->string_view());
  return {};
}
template <class T>
Status encode_table(flatbuffers::FlatBufferBuilder& fbb, const VarHandleAttrs& a,
                    flatbuffers::Offset<void>& out) {
  const auto container = fbb.CreateString(a.container);
  out = wire::CreateVarHandleOptions(fbb, container, fbb.CreateString(a.shared_name)).Union();
  return {};
}

// ---- one operator -------------------------------------------------------------------------------------

// tables::Table_ADD is the options table of ADD.
namespace tables {
using namespace wire;
using octet::NoTable;
#define OCTET_OP(kind, code, Attrs, Table) using Table_##kind = Table;
#include "schema/ir/ops.def"
#undef OCTET_OP
}  // namespace tables

template <class T, class A>
Status read_as(const wire::Operator& op, Node& node) {
  A attrs;
  if constexpr (!std::is_same_v<T, NoTable>) {
    constexpr auto expected = wire::BuiltinOptionsTraits<T>::enum_value;
    const auto type = op.builtin_options_type();
    const void* table = op.builtin_options();
    // An operator without fields may come without its table, or with that of a relative.
    if (!std::is_same_v<A, NoAttrs> && type != wire::BuiltinOptions::NONE && table != nullptr) {
      if (type != expected)
        return Status::corrupt(fmt::format("has options of type {} instead of {}", static_cast<int>(type),
                                           wire::EnumNameBuiltinOptions(expected)));
      OCTET_TRY(decode_table(*static_cast<const T*>(table), attrs));
      if constexpr (std::is_same_v<A, CastAttrs>) attrs.has_types = true;
    }
  }
  node.attrs = std::move(attrs);
  return {};
}

template <class T, class A>
Status write_as(flatbuffers::FlatBufferBuilder& fbb, const Node& node, WrittenOptions& out) {
  if constexpr (!std::is_same_v<T, NoTable>) {
    const A& attrs = std::get<A>(node.attrs);
    if constexpr (std::is_same_v<A, CastAttrs>)
      if (!attrs.has_types) return {};
    out.type = wire::BuiltinOptionsTraits<T>::enum_value;
    return encode_table<T>(fbb, attrs, out.table);
  }
  return {};
}

}  // namespace

Status read_options(const wire::Operator& op, Node& node) {
  switch (node.kind) {
#define OCTET_OP(kind, code, Attrs, Table) \
  case OpKind::kind: return read_as<tables::Table_##kind, Attrs>(op, node);
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: break;
  }
  return {};
}

Result<WrittenOptions> write_options(flatbuffers::FlatBufferBuilder& fbb, const Node& node) {
  WrittenOptions out;
  Status status;
  switch (node.kind) {
#define OCTET_OP(kind, code, Attrs, Table) \
  case OpKind::kind: status = write_as<tables::Table_##kind, Attrs>(fbb, node, out); break;
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: status = Status::unsupported("has options that Octet does not know"); break;
  }
  if (!status.ok()) return status;
  return out;
}

std::string options_bytes(const Node& node) {
  flatbuffers::FlatBufferBuilder fbb;
  const auto options = write_options(fbb, node);
  if (!options.ok() || options->table.IsNull()) return {};
  fbb.Finish(options->table);
  return {reinterpret_cast<const char*>(fbb.GetBufferPointer()), fbb.GetSize()};
}

}  // namespace octet
