/* The C interface of the runtime.
 *
 * Conventions:
 *  1. Handles are opaque; what a _create or _load function gives is released with the matching _free.
 *  2. Functions return 0 on success and a code of octet_code otherwise. With a failure the reason, one line,
 * is written to `error` (of `error_size` bytes, always terminated); `error` may be NULL.
 *  3. Sizes are explicit and in bytes; all memory that is passed in stays the caller's.
 *  4. Structs of options start with their own size, so that later versions can add fields.
 *  5. An octet_model may be used from several threads at once, an octet_executor from one at a time.
 *  6. No pointer argument may be NULL except where it is said. */
#ifndef OCTET_OCTET_H_
#define OCTET_OCTET_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octet_model octet_model;
typedef struct octet_executor octet_executor;

typedef enum octet_code {
  OCTET_OK = 0,
  OCTET_INVALID_ARGUMENT = 1,
  OCTET_CORRUPT_MODEL = 2,
  OCTET_UNSUPPORTED = 3,
  OCTET_IO_ERROR = 4,
  OCTET_RESOURCE_EXHAUSTED = 5,
  OCTET_INTERNAL = 6
} octet_code;

/* Numbers are those of TensorType in the TFLite schema. */
typedef enum octet_dtype {
  OCTET_FLOAT32 = 0,
  OCTET_FLOAT16 = 1,
  OCTET_INT32 = 2,
  OCTET_UINT8 = 3,
  OCTET_INT64 = 4,
  OCTET_BOOL = 6,
  OCTET_INT16 = 7,
  OCTET_INT8 = 9
} octet_dtype;

#define OCTET_MAX_RANK 8

typedef struct octet_tensor_info {
  size_t struct_size; /* sizeof(octet_tensor_info), set by the caller */
  const char* name;   /* lives as long as the executor */
  int32_t dtype;      /* octet_dtype; other values of TensorType are possible */
  int32_t rank;
  int32_t shape[OCTET_MAX_RANK];
  size_t bytes;
  float scale; /* 0: not quantized */
  int32_t zero_point;
} octet_tensor_info;

typedef struct octet_executor_options {
  size_t struct_size; /* sizeof(octet_executor_options) */
  int32_t threads;    /* 0 means 1 */
  int32_t reference;  /* not 0: only the portable reference kernels */
} octet_executor_options;

const char* octet_version(void);

int octet_model_load(const char* path, octet_model** model, char* error, size_t error_size);
void octet_model_free(octet_model* model); /* NULL is fine */

/* `options` may be NULL: one thread. The executor does not need the model any more. */
int octet_executor_create(const octet_model* model, const octet_executor_options* options,
                          octet_executor** executor, char* error, size_t error_size);
void octet_executor_free(octet_executor* executor); /* NULL is fine */

size_t octet_input_count(const octet_executor* executor);
size_t octet_output_count(const octet_executor* executor);
int octet_input_info(const octet_executor* executor, size_t index, octet_tensor_info* info);
/* Shapes that depend on data are those of the last run. */
int octet_output_info(const octet_executor* executor, size_t index, octet_tensor_info* info);

/* Copy one input into the executor; `bytes` must be octet_tensor_info.bytes. Inputs keep their contents
 * between runs. */
int octet_set_input(octet_executor* executor, size_t index, const void* data, size_t bytes, char* error,
                    size_t error_size);
int octet_run(octet_executor* executor, char* error, size_t error_size);
/* Output `index` of the last run; valid until the next one. NULL before the first run or for a wrong index.
 */
const void* octet_output_data(const octet_executor* executor, size_t index);
void octet_reset_state(octet_executor* executor);

#ifdef __cplusplus
}
#endif

#endif
