/* The C interface: everything the library does, for C and for whatever calls C.
 *
 *   octet_model* model = NULL;
 *   octet_executor* exec = NULL;
 *   char error[256];
 *   if (octet_model_load("net.tflite", &model, error, sizeof error) ||
 *       octet_executor_create(model, NULL, &exec, error, sizeof error) ||
 *       octet_set_input(exec, 0, pixels, sizeof pixels, error, sizeof error) ||
 *       octet_run(exec, error, sizeof error))
 *     fprintf(stderr, "%s\n", error);
 *   else
 *     use(octet_output_data(exec, 0));
 *   octet_executor_free(exec);
 *   octet_model_free(model);
 *
 * Conventions:
 *  1. Handles are opaque; what a _create or _load function gives is released with the matching _free. What
 * was made from a handle keeps what it needs of it: handles may be freed in any order.
 *  2. Functions return 0 on success and a code of octet_code otherwise. With a failure the reason, one line,
 * is written to `error` (of `error_size` bytes, always terminated); `error` may be NULL.
 *  3. Sizes are explicit and in bytes; all memory that is passed in stays the caller's.
 *  4. Structs start with their own size, so that later versions can add fields: a program that was compiled
 * with an older, shorter struct gets the defaults of the newer fields, and is given the fields it knows. Fill
 * the others with 0: that is every field's default.
 *  5. Models, plans and pools may be used from several threads at once, an octet_executor from one at a time;
 * octet_cancel may be called from any thread.
 *  6. A NULL where something is needed is an error, OCTET_INVALID_ARGUMENT, and of functions that return
 * something else 0 or NULL; it is never a crash. An index that is out of range likewise.
 *  7. Nothing is logged, nothing exits, no C++ exception comes out. Texts that are returned are UTF-8 and end
 * with a zero; they live as long as the handle they were asked of. */
#ifndef OCTET_OCTET_H_
#define OCTET_OCTET_H_

#include <stddef.h>
#include <stdint.h>

#define OCTET_C_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct octet_model octet_model;
typedef struct octet_pool octet_pool;
typedef struct octet_plan octet_plan;
typedef struct octet_executor octet_executor;
typedef struct octet_custom_ops octet_custom_ops;
typedef struct octet_quantizer octet_quantizer;
typedef struct octet_quantized octet_quantized;

typedef enum octet_code {
  OCTET_OK = 0,
  OCTET_INVALID_ARGUMENT = 1,
  OCTET_CORRUPT_MODEL = 2,
  OCTET_UNSUPPORTED = 3,
  OCTET_IO_ERROR = 4,
  OCTET_RESOURCE_EXHAUSTED = 5,
  OCTET_INTERNAL = 6,
  OCTET_CANCELLED = 7,
  OCTET_DEADLINE_EXCEEDED = 8
} octet_code;

/* Numbers are those of TensorType in the TFLite schema. */
typedef enum octet_dtype {
  OCTET_FLOAT32 = 0,
  OCTET_FLOAT16 = 1,
  OCTET_INT32 = 2,
  OCTET_UINT8 = 3,
  OCTET_INT64 = 4,
  OCTET_STRING = 5,
  OCTET_BOOL = 6,
  OCTET_INT16 = 7,
  OCTET_COMPLEX64 = 8,
  OCTET_INT8 = 9,
  OCTET_FLOAT64 = 10,
  OCTET_COMPLEX128 = 11,
  OCTET_UINT64 = 12,
  OCTET_RESOURCE = 13,
  OCTET_VARIANT = 14,
  OCTET_UINT32 = 15,
  OCTET_UINT16 = 16,
  OCTET_INT4 = 17, /* packed two to a byte, the first in the low half */
  OCTET_BFLOAT16 = 18
} octet_dtype;

typedef enum octet_format { OCTET_TFLITE = 1, OCTET_CIRCLE = 2 } octet_format;

#define OCTET_MAX_RANK 8

/* Shape inference of a custom operator answers this to be asked again when all data are known. */
#define OCTET_CUSTOM_LATER (-1)

typedef struct octet_tensor_info {
  size_t struct_size; /* sizeof(octet_tensor_info), set by the caller */
  const char* name;   /* lives as long as what was asked, in a callback as long as the call */
  int32_t dtype;      /* octet_dtype */
  int32_t rank;
  int32_t shape[OCTET_MAX_RANK]; /* -1: not known before a run */
  size_t bytes;
  float scale; /* 0: not quantized, or with a scale per channel (octet_..._scale) */
  int32_t zero_point;
} octet_tensor_info;

OCTET_C_API const char* octet_version(void);
OCTET_C_API const char* octet_xnnpack_version(void);
OCTET_C_API const char* octet_cpu_name(void);
OCTET_C_API const char* octet_cpu_architecture(void);
OCTET_C_API const char* octet_cpu_features(void); /* instruction sets, separated by blanks, weakest first */

/* ---- Models ---- */

OCTET_C_API int octet_model_load(const char* path, octet_model** model, char* error, size_t error_size);
/* From the bytes of a file, which are copied. */
OCTET_C_API int octet_model_load_memory(const void* bytes, size_t size, octet_model** model, char* error,
                                        size_t error_size);
/* Without a copy: `release(user)` is called once, when nothing needs the bytes any more, and before this
 * returns when it fails; it may be NULL. */
OCTET_C_API int octet_model_borrow_memory(const void* bytes, size_t size, void (*release)(void* user),
                                          void* user, octet_model** model, char* error, size_t error_size);
/* Whole or not at all. `format`: octet_format, or 0 for that of the path's ending, else the model's own. */
OCTET_C_API int octet_model_save(const octet_model* model, const char* path, int32_t format, char* error,
                                 size_t error_size);
OCTET_C_API void octet_model_free(octet_model* model); /* NULL is fine */

OCTET_C_API int32_t octet_model_format(const octet_model* model); /* octet_format */
OCTET_C_API int64_t octet_model_file_bytes(const octet_model* model);
OCTET_C_API int64_t octet_model_parameters(const octet_model* model); /* weights and biases, in elements */
OCTET_C_API int64_t octet_model_macs(const octet_model* model);       /* multiply-accumulates of a run */
OCTET_C_API const char* octet_model_description(const octet_model* model);
/* What the reader found odd in the file and put right. */
OCTET_C_API size_t octet_model_note_count(const octet_model* model);
OCTET_C_API const char* octet_model_note(const octet_model* model, size_t index);
OCTET_C_API size_t octet_model_metadata_count(const octet_model* model);
OCTET_C_API const char* octet_model_metadata_name(const octet_model* model, size_t index);
OCTET_C_API const void* octet_model_metadata(const octet_model* model, size_t index, size_t* size);
OCTET_C_API size_t octet_model_signature_count(const octet_model* model);
OCTET_C_API const char* octet_model_signature_key(const octet_model* model, size_t index);

/* Graph 0 is the main one. Tensors and operators are counted per graph. */
OCTET_C_API size_t octet_model_graph_count(const octet_model* model);
OCTET_C_API size_t octet_model_tensor_count(const octet_model* model, size_t graph);
OCTET_C_API int octet_model_tensor_info(const octet_model* model, size_t graph, size_t tensor,
                                        octet_tensor_info* info);
/* The contents of a constant; NULL for other tensors. */
OCTET_C_API const void* octet_model_constant(const octet_model* model, size_t graph, size_t tensor,
                                             size_t* size);
/* How many scales a tensor has (0: not quantized; 1: one for all) and along which axis (-1: none). */
OCTET_C_API size_t octet_model_tensor_channels(const octet_model* model, size_t graph, size_t tensor,
                                               int32_t* axis);
OCTET_C_API int octet_model_tensor_scale(const octet_model* model, size_t graph, size_t tensor,
                                         size_t channel, float* scale, int32_t* zero_point);
OCTET_C_API size_t octet_model_input_count(const octet_model* model, size_t graph);
OCTET_C_API size_t octet_model_output_count(const octet_model* model, size_t graph);
OCTET_C_API int32_t octet_model_input(const octet_model* model, size_t graph,
                                      size_t index); /* tensor, or -1 */
OCTET_C_API int32_t octet_model_output(const octet_model* model, size_t graph,
                                       size_t index); /* tensor, or -1 */

typedef struct octet_operator_info {
  size_t struct_size;
  const char *kind, *name;         /* "CONV_2D", "CUSTOM:Name"; the name of its first output */
  const int32_t *inputs, *outputs; /* tensors; -1 for an optional one that is not there */
  size_t input_count, output_count;
  int32_t version; /* of the operator, as the file has it */
  int64_t macs;
} octet_operator_info;
OCTET_C_API size_t octet_model_operator_count(const octet_model* model, size_t graph);
OCTET_C_API int octet_model_operator_info(const octet_model* model, size_t graph, size_t index,
                                          octet_operator_info* info);

/* ---- Plans: a model made ready to run, its weights packed once for all executors ---- */

typedef struct octet_input_shape {
  const char* name;
  int32_t rank;
  int32_t shape[OCTET_MAX_RANK];
} octet_input_shape;

typedef struct octet_executor_options {
  size_t struct_size; /* sizeof(octet_executor_options) */
  int32_t threads;    /* 0 means 1; not used with a pool */
  int32_t reference;  /* not 0: only the portable reference kernels */
  /* The program's custom operators, as they are now; NULL: none. Not kept: it may be freed or added to. */
  const octet_custom_ops* custom_ops;
  const octet_pool* pool; /* share this pool; NULL: one of its own */
  const char* signature;  /* run this one, with its names and order; NULL: the graph as it is */
  int32_t graph;          /* without a signature: which graph */
  const octet_input_shape* input_shapes; /* new shapes of inputs, by name */
  size_t input_shape_count;
  int32_t profile; /* not 0: measure every step of every run */
} octet_executor_options;

/* Threads that several executors share; calls from several threads are serialized inside. */
OCTET_C_API int octet_pool_create(int32_t threads, octet_pool** pool, char* error, size_t error_size);
OCTET_C_API void octet_pool_free(octet_pool* pool); /* NULL is fine */

/* `options` may be NULL: one thread. */
OCTET_C_API int octet_plan_create(const octet_model* model, const octet_executor_options* options,
                                  octet_plan** plan, char* error, size_t error_size);
OCTET_C_API void octet_plan_free(octet_plan* plan); /* NULL is fine */

typedef struct octet_step_info {
  size_t struct_size;
  const char *kind, *name; /* of the operator as it runs: after fusing */
  const char* kernel;      /* the implementation's name; "none", "runtime", "late" (executor.hpp, PlanStep) */
  const char* why;         /* why faster ones were not taken; "": there is none faster */
  int64_t macs;
} octet_step_info;
OCTET_C_API size_t octet_plan_step_count(const octet_plan* plan);
OCTET_C_API int octet_plan_step_info(const octet_plan* plan, size_t index, octet_step_info* info);
/* What became of operator `index` of the model's graph: `kernel` is that of its step, "fused" or "folded". */
typedef struct octet_outcome {
  size_t struct_size;
  const char *kernel, *why;
  const int32_t* steps; /* that do its work */
  size_t step_count;
} octet_outcome;
OCTET_C_API int octet_plan_outcome(const octet_plan* plan, size_t index, octet_outcome* outcome);
OCTET_C_API int64_t octet_plan_arena_bytes(const octet_plan* plan);
OCTET_C_API int64_t octet_plan_arena_lower_bound(const octet_plan* plan);

/* ---- Executors ---- */

/* A plan and an executor in one. `options` may be NULL: one thread. */
OCTET_C_API int octet_executor_create(const octet_model* model, const octet_executor_options* options,
                                      octet_executor** executor, char* error, size_t error_size);
/* Of `options`, which may be NULL, only `pool` and `profile` are used: the plan has the rest. */
OCTET_C_API int octet_executor_create_from_plan(const octet_plan* plan, const octet_executor_options* options,
                                                octet_executor** executor, char* error, size_t error_size);
OCTET_C_API void octet_executor_free(octet_executor* executor); /* NULL is fine */

OCTET_C_API size_t octet_input_count(const octet_executor* executor);
OCTET_C_API size_t octet_output_count(const octet_executor* executor);
OCTET_C_API int octet_input_info(const octet_executor* executor, size_t index, octet_tensor_info* info);
/* Shapes that depend on data are those of the last run. */
OCTET_C_API int octet_output_info(const octet_executor* executor, size_t index, octet_tensor_info* info);
/* The index of the input or output of this name; -1: there is none. */
OCTET_C_API int32_t octet_find_input(const octet_executor* executor, const char* name);
OCTET_C_API int32_t octet_find_output(const octet_executor* executor, const char* name);
/* How many scales it has (0: it is not quantized; 1: one for all) and along which axis (-1: none). */
OCTET_C_API size_t octet_input_channels(const octet_executor* executor, size_t index, int32_t* axis);
OCTET_C_API size_t octet_output_channels(const octet_executor* executor, size_t index, int32_t* axis);
OCTET_C_API int octet_input_scale(const octet_executor* executor, size_t index, size_t channel, float* scale,
                                  int32_t* zero_point);
OCTET_C_API int octet_output_scale(const octet_executor* executor, size_t index, size_t channel, float* scale,
                                   int32_t* zero_point);

/* Copy one input into the executor; `bytes` must be octet_tensor_info.bytes. It keeps its contents between
 * runs, and takes the place of what was bound. Inputs that are never given are zeros. */
OCTET_C_API int octet_set_input(octet_executor* executor, size_t index, const void* data, size_t bytes,
                                char* error, size_t error_size);
/* Let every run from now on read the input from, or write the output to, the caller's memory, which must stay
 * until other memory is bound or the executor is freed. It is used in place, without a copy, when its address
 * is a multiple of the element's size, `capacity` (the bytes of memory from `data` on; 0: just the tensor's)
 * is 64 more than the tensor's, because kernels read in whole vectors, and the plan has no other use for the
 * place; else it is copied in each run. Inputs are never written to; a bound output holds anything while a
 * run lasts. Buffers must not overlap. */
OCTET_C_API int octet_bind_input(octet_executor* executor, size_t index, const void* data, size_t bytes,
                                 size_t capacity, char* error, size_t error_size);
OCTET_C_API int octet_bind_output(octet_executor* executor, size_t index, void* data, size_t bytes,
                                  size_t capacity, char* error, size_t error_size);
OCTET_C_API int octet_run(octet_executor* executor, char* error, size_t error_size);
/* Output `index` of the last run: the bound memory, else valid until the next run. NULL before the first run,
 * for a wrong index, and for strings, whose text is not kept. */
OCTET_C_API const void* octet_output_data(const octet_executor* executor, size_t index);
/* State of the graph and of custom operators back to the beginning. */
OCTET_C_API void octet_reset_state(octet_executor* executor);

/* From any thread: the run that is under way, else the next one, ends with OCTET_CANCELLED before its next
 * step. The executor must not be freed meanwhile. */
OCTET_C_API void octet_cancel(octet_executor* executor);
/* Take it back, when no run has seen it yet. */
OCTET_C_API void octet_clear_cancel(octet_executor* executor);
/* The time a run may take before it ends with OCTET_DEADLINE_EXCEEDED; 0: any. */
OCTET_C_API int octet_set_time_limit(octet_executor* executor, int64_t microseconds);

/* With the option `profile`, of the last run: one per step of the plan, and all of it. */
OCTET_C_API const int64_t* octet_step_nanoseconds(const octet_executor* executor, size_t* count);
OCTET_C_API int64_t octet_run_nanoseconds(const octet_executor* executor);
OCTET_C_API size_t octet_executor_step_count(const octet_executor* executor);
OCTET_C_API int octet_executor_step_info(const octet_executor* executor, size_t index, octet_step_info* info);

/* ---- Quantizing (not in a library that was built without the quantizer) ----
 *
 *   octet_quantizer_create(model, NULL, &q, error, sizeof error);
 *   for (i = 0; i < n; ++i) octet_quantizer_calibrate(q, &samples[i], 1, error, sizeof error);
 *   octet_quantizer_finish(q, NULL, &result, error, sizeof error);
 *   octet_quantized_model(result, &small, error, sizeof error);
 *   octet_model_save(small, "net.int8.tflite", 0, error, sizeof error); */

/* Where samples come from: one pointer per input of the model, to a tensor of the type and shape that the
 * model stores, valid until the next call. */
typedef struct octet_samples {
  size_t struct_size; /* sizeof(octet_samples) */
  void* user;
  /* 1: `inputs` is filled in; 0: there are no more; negative: an error, which ends the work. */
  int32_t (*next)(void* user, const void** inputs);
  int32_t (*rewind)(void* user); /* start again with the first; 0: done */
  int64_t count;                 /* 0: not known */
} octet_samples;

typedef struct octet_quantizer_options {
  size_t struct_size;  /* sizeof(octet_quantizer_options) */
  const char* recipe;  /* in JSON, as octet quantize --recipe takes it; NULL: int8 with all defaults */
  int32_t threads;     /* 0 means 1 */
  int32_t no_hold_out; /* not 0: samples to measure on are given to octet_quantizer_finish */
  const octet_custom_ops* custom_ops; /* as for executors */
  void* user;
  void (*progress)(void* user, const char* phase, int64_t done, int64_t total); /* total -1: not known */
  /* A figure of the program's that must not be above `loss_limit`; operators are promoted until it is not.
   * Answers 0 when `*loss` is set; `candidate` lives as long as the call. NULL: no such target. */
  int32_t (*loss)(void* user, const octet_model* candidate, double* loss);
  double loss_limit;
  const char* loss_reason; /* for reports: "to lose at most 1 point" */
} octet_quantizer_options;

/* `options` may be NULL. One thread at a time. */
OCTET_C_API int octet_quantizer_create(const octet_model* model, const octet_quantizer_options* options,
                                       octet_quantizer** quantizer, char* error, size_t error_size);
OCTET_C_API void octet_quantizer_free(octet_quantizer* quantizer); /* NULL is fine */

/* One sample; nothing is kept of the memory. */
OCTET_C_API int octet_quantizer_calibrate(octet_quantizer* quantizer, const void* const* inputs,
                                          size_t input_count, char* error, size_t error_size);
/* All samples of a source, in one pass. */
OCTET_C_API int octet_quantizer_calibrate_all(octet_quantizer* quantizer, const octet_samples* samples,
                                              char* error, size_t error_size);
/* Correct rounding and biases on these, not on those to calibrate on. */
OCTET_C_API int octet_quantizer_correct(octet_quantizer* quantizer, const octet_samples* samples, char* error,
                                        size_t error_size);
/* What was gathered, to a file; and from one, which takes the place of data. */
OCTET_C_API int octet_quantizer_save_statistics(const octet_quantizer* quantizer, const char* path,
                                                char* error, size_t error_size);
OCTET_C_API int octet_quantizer_load_statistics(octet_quantizer* quantizer, const char* path, char* error,
                                                size_t error_size);
/* `held_out`: measure the result on these; NULL: on samples that the quantizer held out. */
OCTET_C_API int octet_quantizer_finish(octet_quantizer* quantizer, const octet_samples* held_out,
                                       octet_quantized** result, char* error, size_t error_size);
OCTET_C_API void octet_quantized_free(octet_quantized* result); /* NULL is fine */

typedef struct octet_quantize_report {
  size_t struct_size;
  int64_t input_bytes, output_bytes; /* of the serialized models */
  int32_t ops_int8, ops_int16, ops_float, ops_other;
  int32_t target_met;       /* of the recipe's min_sqnr_db and of `loss` */
  int32_t held_out;         /* nothing was set or chosen with the samples that were measured on */
  int64_t measured_samples; /* 0: there were none, and no error is known */
  double sqnr_db;           /* over all outputs that are numbers; at most 200, which stands for equality. Of a
                               classifier on few samples: what is expected on samples that were not given */
  double loss;              /* as it was when the search ended */
  int32_t ops_float_in_file; /* that another reader of the file computes in float */
} octet_quantize_report;
OCTET_C_API int octet_quantized_report(const octet_quantized* result, octet_quantize_report* report);
/* An operator that computes in another type than the scheme says. */
typedef struct octet_fallback {
  size_t struct_size;
  const char *op, *kind, *reason;
  int32_t dtype; /* octet_dtype that it computes in */
} octet_fallback;
OCTET_C_API size_t octet_quantized_fallback_count(const octet_quantized* result);
OCTET_C_API int octet_quantized_fallback(const octet_quantized* result, size_t index,
                                         octet_fallback* fallback);
/* The quantized model, a handle of its own. */
OCTET_C_API int octet_quantized_model(const octet_quantized* result, octet_model** model, char* error,
                                      size_t error_size);
/* Every decision as a document in JSON; and the model that a document makes of the float model again. */
OCTET_C_API const char* octet_quantized_assignment(const octet_quantized* result);
OCTET_C_API int octet_apply_assignment(const octet_model* source, const char* assignment, octet_model** model,
                                       char* error, size_t error_size);

typedef struct octet_comparison {
  size_t struct_size;
  int64_t samples;
  double sqnr_db; /* over all outputs that are numbers; at most 200, which stands for equality */
} octet_comparison;
/* How far `b` is from `a`, whose inputs the samples fit. */
OCTET_C_API int octet_compare(const octet_model* a, const octet_model* b, const octet_samples* samples,
                              int32_t threads, octet_comparison* comparison, char* error, size_t error_size);

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

OCTET_C_API int octet_custom_ops_create(octet_custom_ops** ops, char* error, size_t error_size);
OCTET_C_API void octet_custom_ops_free(
    octet_custom_ops* ops); /* NULL is fine; executors made with it stay valid */
/* Fails when the name is taken, or when name or run is missing. */
OCTET_C_API int octet_custom_ops_add(octet_custom_ops* ops, const octet_custom_op* op, char* error,
                                     size_t error_size);

/* What a callback asks about its node. An input that the model leaves out has a NULL name and no data. */
OCTET_C_API const char* octet_custom_name(const octet_custom_node* node);
OCTET_C_API const void* octet_custom_options(const octet_custom_node* node, size_t* size);
OCTET_C_API size_t octet_custom_input_count(const octet_custom_node* node);
OCTET_C_API size_t octet_custom_output_count(const octet_custom_node* node);
OCTET_C_API int octet_custom_input_info(const octet_custom_node* node, size_t index, octet_tensor_info* info);
/* In `infer` the shape is the one that the model declares. */
OCTET_C_API int octet_custom_output_info(const octet_custom_node* node, size_t index,
                                         octet_tensor_info* info);
/* Data; NULL where it is not known or there is none. Inputs may be read 64 bytes beyond their end. */
OCTET_C_API const void* octet_custom_input_data(const octet_custom_node* node, size_t index);
OCTET_C_API void* octet_custom_output_data(const octet_custom_node* node, size_t index); /* in `run` only */
/* How many scales a tensor has (0: it is not quantized; 1: one for all) and along which axis (-1: one for
 * all). */
OCTET_C_API size_t octet_custom_input_channels(const octet_custom_node* node, size_t index, int32_t* axis);
OCTET_C_API size_t octet_custom_output_channels(const octet_custom_node* node, size_t index, int32_t* axis);
OCTET_C_API int octet_custom_input_scale(const octet_custom_node* node, size_t index, size_t channel,
                                         float* scale, int32_t* zero_point);
OCTET_C_API int octet_custom_output_scale(const octet_custom_node* node, size_t index, size_t channel,
                                          float* scale, int32_t* zero_point);
/* In `infer` only. */
OCTET_C_API int octet_custom_set_shape(octet_custom_node* node, size_t index, const int32_t* shape,
                                       int32_t rank);

#ifdef __cplusplus
}
#endif

#endif
