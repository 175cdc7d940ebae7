/* The C interface used by C: each function adds a line to `failures` for every check that fails. */
#ifndef OCTET_TESTS_API_C_API_C_H_
#define OCTET_TESTS_API_C_API_C_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `path`: y = (a - b) * a and z = a + b on [1, 4], with a signature "turned" (inputs second, first; outputs
 * sum, y) and metadata "note". `other`: a path to write to. */
void c_api_models(const char* path, const char* other, char* failures, size_t size);
void c_api_runs(const char* path, char* failures, size_t size);
void c_api_sharing(const char* path, char* failures, size_t size);
void c_api_null(const char* path, char* failures, size_t size);
void c_api_quantizes(const char* path, const char* other, char* failures, size_t size);
void c_api_older_programs(const char* path, char* failures, size_t size);

#ifdef __cplusplus
}
#endif

#endif
