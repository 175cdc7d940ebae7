/* The C interface on models without custom operators. Compiled as C99. */
#include "tests/api/c_api_c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "octet/octet.h"

static char* text;
static size_t room;

static void note(const char* what, int line) {
  const int n = snprintf(text, room, "line %d: %s\n", line, what);
  if (n > 0 && (size_t)n < room) text += n, room -= (size_t)n;
}
#define CHECK(x)                  \
  do {                            \
    if (!(x)) note(#x, __LINE__); \
  } while (0)

static void begin(char* failures, size_t size) {
  text = failures, room = size;
  *text = '\0';
}

static const float kA[] = {1, 2, 3, 4}, kB[] = {4, 3, 2, 1};
static char error[256];

static octet_model* loaded(const char* path) {
  octet_model* model = NULL;
  CHECK(octet_model_load(path, &model, error, sizeof error) == OCTET_OK);
  return model;
}

static void count_release(void* user) {
  ++*(int*)user;
}

static void* read_file(const char* path, size_t* size) {
  FILE* f = fopen(path, "rb");
  void* bytes = malloc(1 << 20);
  *size = f != NULL && bytes != NULL ? fread(bytes, 1, 1 << 20, f) : 0;
  if (f != NULL) fclose(f);
  return bytes;
}

void c_api_models(const char* path, const char* other, char* failures, size_t size) {
  octet_model *model = NULL, *copy = NULL;
  octet_executor* exec = NULL;
  octet_tensor_info t = {.struct_size = sizeof t};
  octet_operator_info op = {.struct_size = sizeof op};
  size_t bytes = 0, metadata = 0;
  int released = 0;
  void* file = read_file(path, &bytes);
  begin(failures, size);
  CHECK(strcmp(octet_version(), "") != 0 && strcmp(octet_cpu_architecture(), "") != 0);
  CHECK(octet_cpu_name() != NULL && octet_cpu_features() != NULL && octet_xnnpack_version() != NULL);
  CHECK(octet_model_load("/no/such/file", &model, error, sizeof error) == OCTET_IO_ERROR);
  CHECK(model == NULL && strncmp(error, "/no/such/file: ", 15) == 0);
  model = loaded(path);
  CHECK(octet_model_format(model) == OCTET_TFLITE && octet_model_file_bytes(model) == (int64_t)bytes);
  CHECK(octet_model_parameters(model) == 0 && octet_model_macs(model) >= 0);
  CHECK(octet_model_graph_count(model) == 1 && octet_model_operator_count(model, 0) == 3);
  CHECK(octet_model_input_count(model, 0) == 2 && octet_model_output_count(model, 0) == 2);
  CHECK(octet_model_input(model, 0, 2) == -1 && octet_model_input_count(model, 1) == 0);
  CHECK(octet_model_tensor_info(model, 0, (size_t)octet_model_input(model, 0, 1), &t) == OCTET_OK);
  CHECK(strcmp(t.name, "b") == 0 && t.rank == 2 && t.shape[1] == 4 && t.bytes == 16);
  CHECK(octet_model_tensor_info(model, 0, 1000, &t) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_model_operator_info(model, 0, 2, &op) == OCTET_OK);
  CHECK(strcmp(op.kind, "ADD") == 0 && op.input_count == 2 && op.output_count == 1);
  CHECK(op.inputs[0] == octet_model_input(model, 0, 0));
  CHECK(octet_model_signature_count(model) == 1);
  CHECK(strcmp(octet_model_signature_key(model, 0), "turned") == 0);
  CHECK(octet_model_signature_key(model, 1) == NULL);
  CHECK(octet_model_metadata_count(model) == 1);
  CHECK(strcmp(octet_model_metadata_name(model, 0), "note") == 0);
  CHECK(memcmp(octet_model_metadata(model, 0, &metadata), "hello", 5) == 0 && metadata == 5);
  CHECK(octet_model_note_count(model) == 0 && octet_model_description(model) != NULL);

  CHECK(octet_model_save(model, other, OCTET_CIRCLE, error, sizeof error) == OCTET_OK);
  CHECK(octet_model_load(other, &copy, error, sizeof error) == OCTET_OK);
  CHECK(octet_model_format(copy) == OCTET_CIRCLE);
  octet_model_free(copy);
  CHECK(octet_model_save(model, other, 7, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  octet_model_free(model);

  CHECK(octet_model_load_memory(file, bytes, &model, error, sizeof error) == OCTET_OK);
  octet_model_free(model);
  CHECK(octet_model_borrow_memory(file, bytes, count_release, &released, &model, error, sizeof error) ==
        OCTET_OK);
  CHECK(octet_executor_create(model, NULL, &exec, error, sizeof error) == OCTET_OK);
  octet_model_free(model);
  octet_executor_free(exec);
  CHECK(released == 1);
  memset(file, 0, bytes);
  CHECK(octet_model_borrow_memory(file, bytes, count_release, &released, &model, error, sizeof error) ==
        OCTET_CORRUPT_MODEL);
  CHECK(released == 2 && model == NULL);
  free(file);
}

void c_api_runs(const char* path, char* failures, size_t size) {
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  const octet_input_shape shapes[] = {{"b", 2, {2, 4}}, {"a", 2, {2, 4}}};
  octet_executor_options options = {.struct_size = sizeof options, .threads = 2};
  octet_tensor_info t = {.struct_size = sizeof t};
  float y[4 + 16] = {0}, a[4 + 16] = {1, 2, 3, 4};
  int32_t axis = 0, zero_point = 0;
  float scale = 0;
  begin(failures, size);
  model = loaded(path);
  CHECK(octet_executor_create(model, &options, &exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_input_count(exec) == 2 && octet_output_count(exec) == 2);
  CHECK(octet_find_input(exec, "b") == 1 && octet_find_input(exec, "c") == -1);
  CHECK(octet_find_output(exec, "z") == 1);
  CHECK(octet_output_data(exec, 0) == NULL);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK); /* on zeros */
  CHECK(((const float*)octet_output_data(exec, 1))[0] == 0);
  CHECK(octet_set_input(exec, 0, kA, sizeof kA, error, sizeof error) == OCTET_OK);
  CHECK(octet_set_input(exec, 1, kB, sizeof kB, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  CHECK(((const float*)octet_output_data(exec, 0))[3] == 12);
  CHECK(octet_output_info(exec, 0, &t) == OCTET_OK && strcmp(t.name, "y") == 0 && t.bytes == 16);
  CHECK(octet_output_info(exec, 2, &t) == OCTET_INVALID_ARGUMENT && octet_output_data(exec, 2) == NULL);
  CHECK(octet_set_input(exec, 0, kA, 3, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strcmp(error, "input 'a' takes 16 bytes, got 3") == 0);
  CHECK(octet_input_channels(exec, 0, &axis) == 0 && axis == -1);
  CHECK(octet_input_scale(exec, 0, 0, &scale, &zero_point) == OCTET_INVALID_ARGUMENT);

  /* The program's own buffers; what was set stays where nothing is bound. */
  CHECK(octet_bind_input(exec, 0, a, 16, sizeof a, error, sizeof error) == OCTET_OK);
  CHECK(octet_bind_output(exec, 0, y, 16, sizeof y, error, sizeof error) == OCTET_OK);
  a[0] = 10;
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  CHECK(y[0] == 60 && y[3] == 12 && octet_output_data(exec, 0) == y);
  CHECK(octet_bind_output(exec, 0, y, 15, 0, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_set_input(exec, 0, kA, sizeof kA, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK && y[0] == -3);

  octet_cancel(exec);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_CANCELLED);
  octet_cancel(exec);
  octet_clear_cancel(exec);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_set_time_limit(exec, -1) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_set_time_limit(exec, 60 * 1000 * 1000) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  octet_reset_state(exec);
  octet_executor_free(exec);

  options.input_shapes = shapes;
  options.input_shape_count = 2;
  CHECK(octet_executor_create(model, &options, &exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_input_info(exec, 0, &t) == OCTET_OK && t.shape[0] == 2 && t.bytes == 32);
  octet_executor_free(exec);

  options.input_shape_count = 0;
  options.signature = "turned";
  CHECK(octet_executor_create(model, &options, &exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_find_input(exec, "second") == 0 && octet_find_output(exec, "sum") == 0);
  octet_executor_free(exec);
  options.signature = "none";
  CHECK(octet_executor_create(model, &options, &exec, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strstr(error, "no signature 'none'; the model has turned") != NULL && exec == NULL);
  octet_model_free(model);
}

void c_api_sharing(const char* path, char* failures, size_t size) {
  octet_model* model = NULL;
  octet_pool* pool = NULL;
  octet_plan* plan = NULL;
  octet_executor* exec[2] = {NULL, NULL};
  octet_executor_options options = {.struct_size = sizeof options, .profile = 1};
  octet_step_info step = {.struct_size = sizeof step};
  octet_outcome outcome = {.struct_size = sizeof outcome};
  size_t count = 0;
  begin(failures, size);
  CHECK(octet_pool_create(0, &pool, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_pool_create(2, &pool, error, sizeof error) == OCTET_OK);
  options.pool = pool;
  model = loaded(path);
  CHECK(octet_plan_create(model, &options, &plan, error, sizeof error) == OCTET_OK);
  octet_model_free(model);
  CHECK(octet_plan_step_count(plan) > 0 && octet_plan_arena_bytes(plan) > 0);
  CHECK(octet_plan_arena_lower_bound(plan) <= octet_plan_arena_bytes(plan));
  CHECK(octet_plan_step_info(plan, 0, &step) == OCTET_OK && strcmp(step.kind, "SUB") == 0);
  CHECK(octet_plan_step_info(plan, 99, &step) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_plan_outcome(plan, 2, &outcome) == OCTET_OK && outcome.step_count == 1);
  CHECK(octet_plan_outcome(plan, 3, &outcome) == OCTET_INVALID_ARGUMENT);
  for (int i = 0; i < 2; ++i)
    CHECK(octet_executor_create_from_plan(plan, &options, &exec[i], error, sizeof error) == OCTET_OK);
  octet_plan_free(plan);
  octet_pool_free(pool);
  for (int i = 0; i < 2; ++i) {
    CHECK(octet_set_input(exec[i], 0, kA, sizeof kA, error, sizeof error) == OCTET_OK);
    CHECK(octet_run(exec[i], error, sizeof error) == OCTET_OK);
    CHECK(((const float*)octet_output_data(exec[i], 1))[3] == 4);
    CHECK(octet_step_nanoseconds(exec[i], &count) != NULL && count == octet_executor_step_count(exec[i]));
    CHECK(octet_executor_step_info(exec[i], 0, &step) == OCTET_OK && octet_run_nanoseconds(exec[i]) > 0);
    octet_executor_free(exec[i]);
  }
}

void c_api_null(const char* path, char* failures, size_t size) {
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  octet_plan* plan = NULL;
  octet_tensor_info unset = {0};
  begin(failures, size);
  CHECK(octet_model_load(NULL, &model, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strcmp(error, "path is NULL") == 0);
  CHECK(octet_model_load(path, NULL, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_model_load_memory(NULL, 8, &model, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_model_save(NULL, path, 0, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_model_format(NULL) == 0 && octet_model_graph_count(NULL) == 0);
  CHECK(octet_model_description(NULL) == NULL && octet_model_metadata_name(NULL, 0) == NULL);
  CHECK(octet_model_metadata(NULL, 0, NULL) == NULL && octet_model_constant(NULL, 0, 0, NULL) == NULL);
  CHECK(octet_model_tensor_info(NULL, 0, 0, NULL) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_model_tensor_channels(NULL, 0, 0, NULL) == 0 && octet_model_input(NULL, 0, 0) == -1);
  CHECK(octet_model_operator_info(NULL, 0, 0, NULL) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_pool_create(1, NULL, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_plan_create(NULL, NULL, &plan, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_plan_step_count(NULL) == 0 && octet_plan_arena_bytes(NULL) == 0);
  CHECK(octet_plan_outcome(NULL, 0, NULL) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_executor_create(NULL, NULL, &exec, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_executor_create_from_plan(NULL, NULL, &exec, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_input_count(NULL) == 0 && octet_output_count(NULL) == 0);
  CHECK(octet_find_input(NULL, "a") == -1 && octet_output_data(NULL, 0) == NULL);
  CHECK(octet_set_input(NULL, 0, kA, 16, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_bind_output(NULL, 0, NULL, 0, 0, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_run(NULL, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_set_time_limit(NULL, 1) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_step_nanoseconds(NULL, NULL) == NULL && octet_run_nanoseconds(NULL) == 0);
  octet_reset_state(NULL);
  octet_cancel(NULL);
  octet_clear_cancel(NULL);
  CHECK(octet_custom_ops_add(NULL, NULL, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_custom_name(NULL) == NULL && octet_custom_input_count(NULL) == 0);
  CHECK(octet_custom_set_shape(NULL, 0, NULL, 0) == OCTET_INVALID_ARGUMENT);

  model = loaded(path);
  CHECK(octet_executor_create(model, NULL, NULL, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_executor_create(model, NULL, &exec, NULL, 0) == OCTET_OK);
  CHECK(octet_set_input(exec, 0, NULL, 16, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_bind_input(exec, 0, NULL, 16, 0, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_find_input(exec, NULL) == -1);
  CHECK(octet_input_info(exec, 0, NULL) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_input_info(exec, 0, &unset) == OCTET_INVALID_ARGUMENT); /* no struct_size */
  octet_executor_free(exec);
  octet_model_free(model);
  octet_executor_free(NULL);
  octet_plan_free(NULL);
  octet_pool_free(NULL);
  octet_model_free(NULL);
}

/* Samples 0 to `count` - 1 of an endless sequence. */
typedef struct sequence {
  int at, count, rewound;
  float a[4], b[4];
} sequence;
static int32_t next_sample(void* user, const void** inputs) {
  sequence* s = user;
  if (s->at == s->count) return 0;
  for (int i = 0; i < 4; ++i) {
    s->a[i] = (float)((s->at * 7 + i * 3) % 16) / 8 - 1;
    s->b[i] = (float)((s->at * 5 + i) % 16) / 8 - 1;
  }
  ++s->at;
  inputs[0] = s->a;
  inputs[1] = s->b;
  return 1;
}
static int32_t rewind_samples(void* user) {
  sequence* s = user;
  s->at = 0;
  ++s->rewound;
  return 0;
}
static int32_t no_sample(void* user, const void** inputs) {
  (void)user, (void)inputs;
  return -3;
}
static int32_t measure_loss(void* user, const octet_model* candidate, double* loss) {
  ++*(int*)user;
  *loss = octet_model_tensor_count(candidate, 0) > 0 ? 0.5 : 9;
  return 0;
}

void c_api_quantizes(const char* path, const char* other, char* failures, size_t size) {
  sequence data = {.count = 40}, more = {.count = 10};
  int asked = 0;
  octet_samples samples = {sizeof samples, &data, next_sample, rewind_samples, 40};
  octet_samples held_out = {sizeof held_out, &more, next_sample, rewind_samples, 0};
  octet_quantizer_options options = {.struct_size = sizeof options,
                                     .recipe = "{\"scheme\": \"int8\"}",
                                     .threads = 2,
                                     .user = &asked,
                                     .loss = measure_loss,
                                     .loss_limit = 1};
  octet_quantize_report report = {.struct_size = sizeof report};
  octet_comparison comparison = {.struct_size = sizeof comparison};
  octet_quantizer* q = NULL;
  octet_quantized *result = NULL, *streamed = NULL;
  octet_model *model, *small = NULL, *again = NULL;
  const void* inputs[2] = {data.a, data.b};
  begin(failures, size);
  model = loaded(path);

  CHECK(octet_quantizer_create(model, &options, &q, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantizer_finish(q, NULL, &result, error, sizeof error) != OCTET_OK && result == NULL);
  CHECK(octet_quantizer_calibrate_all(q, &samples, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantizer_correct(q, &samples, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantizer_finish(q, &held_out, &result, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantized_report(result, &report) == OCTET_OK);
  CHECK(report.ops_int8 == 3 && report.ops_float == 0 && report.measured_samples == 10 && report.held_out);
  CHECK(report.sqnr_db > 20 && report.loss == 0.5 && report.target_met && asked > 0);
  CHECK(octet_quantized_fallback_count(result) == 0);
  CHECK(octet_quantized_model(result, &small, error, sizeof error) == OCTET_OK);
  octet_quantizer_free(q);
  CHECK(octet_apply_assignment(model, octet_quantized_assignment(result), &again, error, sizeof error) ==
        OCTET_OK);
  octet_quantized_free(result);
  CHECK(octet_model_save(small, other, 0, error, sizeof error) == OCTET_OK);
  rewind_samples(&more);
  CHECK(octet_compare(model, again, &held_out, 1, &comparison, error, sizeof error) == OCTET_OK);
  CHECK(comparison.samples == 10 && comparison.sqnr_db > 20);
  CHECK(octet_compare(small, again, &held_out, 1, &comparison, error, sizeof error) == OCTET_OK);
  CHECK(comparison.sqnr_db == 200);

  /* One by one, and from statistics. */
  CHECK(octet_quantizer_create(model, NULL, &q, error, sizeof error) == OCTET_OK);
  for (int i = 0; i < 12; ++i) {
    next_sample(&data, inputs);
    if (i == 0) data.at = 0, next_sample(&data, inputs);
    CHECK(octet_quantizer_calibrate(q, inputs, 2, error, sizeof error) == OCTET_OK);
  }
  CHECK(octet_quantizer_calibrate(q, inputs, 1, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_quantizer_save_statistics(q, other, error, sizeof error) == OCTET_OK);
  octet_quantizer_free(q);
  CHECK(octet_quantizer_create(model, NULL, &q, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantizer_load_statistics(q, other, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantizer_finish(q, NULL, &streamed, error, sizeof error) == OCTET_OK);
  CHECK(octet_quantized_report(streamed, &report) == OCTET_OK && report.held_out);
  octet_quantized_free(streamed);

  samples.next = no_sample;
  CHECK(octet_quantizer_correct(q, &samples, error, sizeof error) == OCTET_IO_ERROR);
  CHECK(strstr(error, "-3") != NULL);
  octet_quantizer_free(q);
  options.recipe = "{\"scheme\": \"int9\"}";
  CHECK(octet_quantizer_create(model, &options, &q, error, sizeof error) == OCTET_INVALID_ARGUMENT &&
        q == NULL);
  CHECK(octet_quantizer_calibrate(NULL, inputs, 2, NULL, 0) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_quantized_report(NULL, &report) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_quantized_assignment(NULL) == NULL && octet_quantized_fallback_count(NULL) == 0);
  octet_model_free(small);
  octet_model_free(again);
  octet_model_free(model);
}

/* Structs as they were in earlier versions. */
typedef struct old_tensor_info {
  size_t struct_size;
  const char* name;
  int32_t dtype;
  int32_t rank;
} old_tensor_info;
typedef struct old_executor_options {
  size_t struct_size;
  int32_t threads, reference;
} old_executor_options;

void c_api_older_programs(const char* path, char* failures, size_t size) {
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  /* What follows the struct must neither be read nor written. */
  struct {
    old_tensor_info info;
    char behind[64];
  } t = {{.struct_size = sizeof(old_tensor_info)}, {0}};
  struct {
    old_executor_options options;
    char behind[128];
  } o = {{.struct_size = sizeof(old_executor_options), .threads = 1, .reference = 1}, {0}};
  octet_step_info step = {.struct_size = sizeof step};
  begin(failures, size);
  memset(t.behind, 0x5a, sizeof t.behind);
  memset(o.behind, 0x5a, sizeof o.behind);
  model = loaded(path);
  CHECK(octet_executor_create(model, (const octet_executor_options*)&o.options, &exec, error, sizeof error) ==
        OCTET_OK);
  CHECK(octet_executor_step_info(exec, 0, &step) == OCTET_OK && strcmp(step.kernel, "reference") == 0);
  CHECK(octet_input_info(exec, 1, (octet_tensor_info*)&t.info) == OCTET_OK);
  CHECK(strcmp(t.info.name, "b") == 0 && t.info.dtype == OCTET_FLOAT32 && t.info.rank == 2);
  CHECK(t.info.struct_size == sizeof(old_tensor_info));
  for (size_t i = 0; i < sizeof t.behind; ++i)
    if (t.behind[i] != 0x5a) note("written behind the struct", __LINE__);
  octet_executor_free(exec);
  octet_model_free(model);
}
