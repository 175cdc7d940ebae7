/* What custom_ops_c.c, compiled as C, tests. `failures` gets one line per check that fails. */
#ifndef OCTET_TESTS_CUSTOM_OPS_C_H_
#define OCTET_TESTS_CUSTOM_OPS_C_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A model "x" float32 3 -> Affine(x, constant 2.5), options "hi" -> "y". */
void custom_ops_from_c(const char* path, char* failures, size_t size);
/* A model "x" int8 3 (scale 0.5) -> First -> "y" int8 (scale 1, zero point -1). */
void custom_int8_from_c(const char* path, char* failures, size_t size);

#ifdef __cplusplus
}
#endif

#endif
