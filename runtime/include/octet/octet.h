/* The C interface of the runtime.
 *
 * Conventions:
 *  1. Handles are opaque; what a _create or _load function gives is released with the matching _free.
 *  2. Functions return 0 on success and a code of octet_code otherwise. With a failure the reason, one line,
 * is written to `error` (of `error_size` bytes, always terminated); `error` may be NULL.
 *  3. Sizes are explicit and in bytes; all memory that is passed in stays the caller's.
 *  4. Structs of options start with their own size, so that later versions can add fields: a program that was
 * compiled with an older, shorter struct gets the defaults of the newer fields.
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
typedef struct octet_custom_ops octet_custom_ops;

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

/* Shape inference of a custom operator answers this to be asked again when all data are known. */
#define OCTET_CUSTOM_LATER (-1)

typedef struct octet_tensor_info {
  size_t struct_size; /* sizeof(octet_tensor_info), set by the caller */
  const char* name;   /* lives as long as the executor, in a callback as long as the call */
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
  /* The program's custom operators, as they are now; NULL: none. Not kept: it may be freed or added to. */
  const octet_custom_ops* custom_ops;
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
/* Output `index` of the last run; valid until the next one. NULL before the first run, for a wrong index, and
 * for strings, whose text is not kept. */
const void* octet_output_data(const octet_executor* executor, size_t index);
/* State of the graph and of custom operators back to the beginning. */
void octet_reset_state(octet_executor* executor);

/* Custom operators: those that a model names by a string. docs/CUSTOM_OPS.md has a complete example.
 *
 * An octet_custom_ops is filled by one thread; after that executors may be made with it from several. The
 * callbacks of one operator may be called by several threads at once, as executors are made and run; `run`
 * and `reset` of one state by one thread at a time. A callback returns 0, or a code of octet_code and, in
 * `error` (of `error_size` bytes, empty at first), one line that says why. It must not keep the node, which
 * is valid during the call only, and must not throw or jump out. */
typedef struct octet_custom_node octet_custom_node;

typedef struct octet_custom_op {
  size_t struct_size; /* sizeof(octet_custom_op) */
  const char* name;   /* the custom code, as the model file has it; copied */
  void* user;         /* handed to every callback; must outlive the executors that use the operator */
  /* Give every output its shape with octet_custom_set_shape(), or return OCTET_CUSTOM_LATER when a shape
   * depends on an input whose data is NULL. May be NULL: every output has the shape of input 0. */
  int (*infer)(void* user, octet_custom_node* node, char* error, size_t error_size);
  /* Make what `run` needs for these shapes; data are known of constants only. May be NULL: no state. */
  int (*create)(void* user, const octet_custom_node* node, void** state, char* error, size_t error_size);
  /* Compute the outputs. `state` is what `create` gave, else NULL. */
  int (*run)(void* user, void* state, const octet_custom_node* node, char* error, size_t error_size);
  /* Back to the state before the first run. May be NULL. */
  void (*reset)(void* user, void* state);
  /* Release `state`; called once for every successful `create`. May be NULL. */
  void (*destroy)(void* user, void* state);
} octet_custom_op;

int octet_custom_ops_create(octet_custom_ops** ops, char* error, size_t error_size);
void octet_custom_ops_free(octet_custom_ops* ops); /* NULL is fine; executors made with it stay valid */
/* Fails when the name is taken, or when name or run is missing. */
int octet_custom_ops_add(octet_custom_ops* ops, const octet_custom_op* op, char* error, size_t error_size);

/* What a callback asks about its node. An input that the model leaves out has a NULL name and no data. */
const char* octet_custom_name(const octet_custom_node* node);
const void* octet_custom_options(const octet_custom_node* node, size_t* size);
size_t octet_custom_input_count(const octet_custom_node* node);
size_t octet_custom_output_count(const octet_custom_node* node);
int octet_custom_input_info(const octet_custom_node* node, size_t index, octet_tensor_info* info);
/* In `infer` the shape is the one that the model declares. */
int octet_custom_output_info(const octet_custom_node* node, size_t index, octet_tensor_info* info);
/* Data; NULL where it is not known or there is none. Inputs may be read 64 bytes beyond their end. */
const void* octet_custom_input_data(const octet_custom_node* node, size_t index);
void* octet_custom_output_data(const octet_custom_node* node, size_t index); /* in `run` only */
/* How many scales a tensor has (0: it is not quantized; 1: one for all) and along which axis (-1: one for
 * all). */
size_t octet_custom_input_channels(const octet_custom_node* node, size_t index, int32_t* axis);
size_t octet_custom_output_channels(const octet_custom_node* node, size_t index, int32_t* axis);
int octet_custom_input_scale(const octet_custom_node* node, size_t index, size_t channel, float* scale,
                             int32_t* zero_point);
int octet_custom_output_scale(const octet_custom_node* node, size_t index, size_t channel, float* scale,
                              int32_t* zero_point);
/* In `infer` only. */
int octet_custom_set_shape(octet_custom_node* node, size_t index, const int32_t* shape, int32_t rank);

#ifdef __cplusplus
}
#endif

#endif
