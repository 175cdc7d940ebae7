#include "schema/ir/attrs.hpp"

namespace octet {

Attrs::Attrs() = default;
Attrs::Attrs(const Attrs& other) = default;
Attrs::Attrs(Attrs&& other) noexcept = default;
Attrs& Attrs::operator=(const Attrs& other) = default;
Attrs& Attrs::operator=(Attrs&& other) noexcept = default;
Attrs::~Attrs() = default;

bool operator==(const Attrs& a, const Attrs& b) {
  return static_cast<const AnyAttrs&>(a) == static_cast<const AnyAttrs&>(b);
}

Activation* activation_of(Attrs& attrs) {
  return std::visit(
      [](auto& a) -> Activation* {
        if constexpr (requires { a.act; }) return &a.act;
        return nullptr;
      },
      static_cast<AnyAttrs&>(attrs));
}

const Activation* activation_of(const Attrs& attrs) {
  return activation_of(const_cast<Attrs&>(attrs));
}

}  // namespace octet
