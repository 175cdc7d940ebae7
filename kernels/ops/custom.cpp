#include "kernels/op_spec.hpp"
