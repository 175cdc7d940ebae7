// Roles of samples beside those of the public interface.
#pragma once

#include "octet/samples.hpp"

namespace octet {

// Candidates for the result are compared on these.
struct SelectionSamples {
  SampleSource* source = nullptr;
  explicit operator bool() const { return source != nullptr; }
};

}  // namespace octet
