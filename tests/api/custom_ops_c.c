/* Custom operators from C. Compiled as C; each check that fails adds a line to what the test prints. */
#include "tests/api/custom_ops_c.h"

#include <stdio.h>
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

/* What the operator "Affine" keeps: y = factor * x + (how often it ran). */
typedef struct state {
  float factor;
  int runs;
} state;
typedef struct counts {
  int created, destroyed, inferred;
  state one;  /* one executor at a time here */
  int answer; /* what `run` returns */
} counts;

static int infer(void* user, octet_custom_node* node, char* error, size_t error_size) {
  counts* c = user;
  octet_tensor_info in = {.struct_size = sizeof in}, out = {.struct_size = sizeof out};
  size_t size = 0;
  const char* options = octet_custom_options(node, &size);
  const int32_t negative[] = {3, -1};
  (void)error, (void)error_size;
  ++c->inferred;
  CHECK(strcmp(octet_custom_name(node), "Affine") == 0);
  CHECK(size == 2 && options[0] == 'h' && options[1] == 'i');
  CHECK(octet_custom_input_count(node) == 2 && octet_custom_output_count(node) == 1);
  CHECK(octet_custom_input_info(node, 0, &in) == OCTET_OK);
  CHECK(strcmp(in.name, "x") == 0 && in.dtype == OCTET_FLOAT32 && in.rank == 1 && in.shape[0] == 3);
  CHECK(in.bytes == 12 && in.scale == 0);
  CHECK(octet_custom_output_info(node, 0, &out) == OCTET_OK && strcmp(out.name, "y") == 0);
  CHECK(octet_custom_input_info(node, 2, &in) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_custom_input_data(node, 0) == NULL && octet_custom_output_data(node, 0) == NULL);
  CHECK(((const float*)octet_custom_input_data(node, 1))[0] == 2.5f);
  CHECK(octet_custom_set_shape(node, 1, in.shape, 1) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_custom_set_shape(node, 0, in.shape, 9) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_custom_set_shape(node, 0, negative, 2) == OCTET_INVALID_ARGUMENT);
  return octet_custom_set_shape(node, 0, out.shape, out.rank);
}

static int create(void* user, const octet_custom_node* node, void** made, char* error, size_t error_size) {
  counts* c = user;
  const float* factor = octet_custom_input_data(node, 1);
  if (factor == NULL) {
    snprintf(error, error_size, "the factor must be constant");
    return OCTET_UNSUPPORTED;
  }
  ++c->created;
  c->one.factor = *factor;
  c->one.runs = 0;
  *made = &c->one;
  return OCTET_OK;
}

static int run(void* user, void* made, const octet_custom_node* node, char* error, size_t error_size) {
  counts* c = user;
  state* s = made;
  const float* x = octet_custom_input_data(node, 0);
  float* y = octet_custom_output_data(node, 0);
  octet_tensor_info info = {.struct_size = sizeof info};
  float scale = 0;
  int32_t zero_point = 0, axis = 0;
  CHECK(octet_custom_input_info(node, 0, &info) == OCTET_OK);
  CHECK(octet_custom_input_channels(node, 0, &axis) == 0 && axis == -1);
  CHECK(octet_custom_input_scale(node, 0, 0, &scale, &zero_point) == OCTET_INVALID_ARGUMENT);
  for (size_t i = 0; i < info.bytes / sizeof *x; ++i)
    y[i] = s->factor * x[i] + (float)s->runs;
  ++s->runs;
  if (c->answer == OCTET_INVALID_ARGUMENT) snprintf(error, error_size, "x is %g", (double)x[0]);
  return c->answer;
}

static void reset(void* user, void* made) {
  (void)user;
  ((state*)made)->runs = 0;
}

static void destroy(void* user, void* made) {
  counts* c = user;
  CHECK(made == &c->one);
  ++c->destroyed;
}

/* The options of a program that was compiled before custom operators existed. */
typedef struct old_options {
  size_t struct_size;
  int32_t threads, reference;
} old_options;

static void check_registry(const octet_custom_op* good) {
  char error[128] = "";
  octet_custom_ops* ops = NULL;
  octet_custom_op op = *good;
  CHECK(octet_custom_ops_create(&ops, error, sizeof error) == OCTET_OK);
  op.run = NULL;
  CHECK(octet_custom_ops_add(ops, &op, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strcmp(error, "custom operator 'Affine' has no run") == 0);
  op = *good;
  op.name = NULL;
  CHECK(octet_custom_ops_add(ops, &op, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  op = *good;
  op.struct_size = 8;
  CHECK(octet_custom_ops_add(ops, &op, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(octet_custom_ops_add(ops, good, NULL, 0) == OCTET_OK);
  CHECK(octet_custom_ops_add(ops, good, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strcmp(error, "a custom operator 'Affine' is registered already") == 0);
  octet_custom_ops_free(ops);
  octet_custom_ops_free(NULL);
}

void custom_ops_from_c(const char* path, char* failures, size_t size) {
  char error[128] = "";
  counts c = {0};
  const octet_custom_op op = {.struct_size = sizeof op,
                              .name = "Affine",
                              .user = &c,
                              .infer = infer,
                              .create = create,
                              .run = run,
                              .reset = reset,
                              .destroy = destroy};
  octet_executor_options options = {.struct_size = sizeof options};
  const old_options old = {.struct_size = sizeof old, .threads = 1};
  octet_custom_ops* ops = NULL;
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  const float x[] = {1, 2, 3};
  const float* y = NULL;

  text = failures, room = size;
  *text = '\0';
  check_registry(&op);
  CHECK(octet_model_load(path, &model, error, sizeof error) == OCTET_OK);
  CHECK(octet_executor_create(model, (const octet_executor_options*)&old, &exec, error, sizeof error) ==
        OCTET_UNSUPPORTED);
  CHECK(strstr(error, "custom operator 'Affine' is not registered") != NULL);

  CHECK(octet_custom_ops_create(&ops, error, sizeof error) == OCTET_OK);
  CHECK(octet_custom_ops_add(ops, &op, error, sizeof error) == OCTET_OK);
  options.custom_ops = ops;
  CHECK(octet_executor_create(model, &options, &exec, error, sizeof error) == OCTET_OK);
  octet_custom_ops_free(ops);
  octet_model_free(model);
  if (exec == NULL) {
    note(error, __LINE__);
    return;
  }
  CHECK(c.inferred == 1 && c.created == 1);
  CHECK(octet_set_input(exec, 0, x, sizeof x, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  y = octet_output_data(exec, 0);
  CHECK(y[0] == 3.5f && y[2] == 8.5f);
  octet_reset_state(exec);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  CHECK(y[0] == 2.5f);
  c.answer = OCTET_INVALID_ARGUMENT;
  CHECK(octet_run(exec, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strstr(error, "CUSTOM:Affine 'y': run of custom operator 'Affine': x is 1") != NULL);
  c.answer = 77;
  CHECK(octet_run(exec, error, sizeof error) == OCTET_INTERNAL);
  CHECK(strstr(error, "CUSTOM:Affine 'y': run of custom operator 'Affine': failed with code 77") != NULL);
  CHECK(c.destroyed == 0);
  octet_executor_free(exec);
  CHECK(c.created == 1 && c.destroyed == 1);
}

/* An int8 operator whose shape depends on data: y = x with the first x[0] elements, requantized. */
static int infer_first(void* user, octet_custom_node* node, char* error, size_t error_size) {
  const int8_t* x = octet_custom_input_data(node, 0);
  int32_t n = 0;
  (void)user;
  if (x == NULL) return OCTET_CUSTOM_LATER;
  n = x[0];
  if (n < 0) {
    snprintf(error, error_size, "%d elements", (int)n);
    return OCTET_INVALID_ARGUMENT;
  }
  return n == 100 ? OCTET_OK /* forgets the shape */ : octet_custom_set_shape(node, 0, &n, 1);
}

static int run_first(void* user, void* made, const octet_custom_node* node, char* error, size_t error_size) {
  const int8_t* x = octet_custom_input_data(node, 0);
  int8_t* y = octet_custom_output_data(node, 0);
  octet_tensor_info out = {.struct_size = sizeof out};
  float from = 0, to = 0;
  int32_t zero = 0, to_zero = 0, axis = 0;
  (void)user, (void)error, (void)error_size;
  CHECK(made == NULL);
  CHECK(octet_custom_output_info(node, 0, &out) == OCTET_OK);
  CHECK(octet_custom_output_channels(node, 0, &axis) == 1);
  CHECK(octet_custom_input_scale(node, 0, 0, &from, &zero) == OCTET_OK);
  CHECK(octet_custom_output_scale(node, 0, 0, &to, &to_zero) == OCTET_OK);
  CHECK(out.scale == to && out.zero_point == to_zero);
  for (size_t i = 0; i < out.bytes; ++i)
    y[i] = (int8_t)((float)(x[i] - zero) * from / to + (float)to_zero);
  return OCTET_OK;
}

void custom_int8_from_c(const char* path, char* failures, size_t size) {
  char error[128] = "";
  const octet_custom_op op = {
      .struct_size = sizeof op, .name = "First", .infer = infer_first, .run = run_first};
  octet_executor_options options = {.struct_size = sizeof options};
  octet_custom_ops* ops = NULL;
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  octet_tensor_info out = {.struct_size = sizeof out};
  int8_t x[] = {2, 4, 6};

  text = failures, room = size;
  *text = '\0';
  CHECK(octet_model_load(path, &model, error, sizeof error) == OCTET_OK);
  CHECK(octet_custom_ops_create(&ops, error, sizeof error) == OCTET_OK);
  CHECK(octet_custom_ops_add(ops, &op, error, sizeof error) == OCTET_OK);
  options.custom_ops = ops;
  CHECK(octet_executor_create(model, &options, &exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_set_input(exec, 0, x, sizeof x, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_OK);
  CHECK(octet_output_info(exec, 0, &out) == OCTET_OK && out.rank == 1 && out.shape[0] == 2);
  CHECK(((const int8_t*)octet_output_data(exec, 0))[1] == 1); /* (4 - 0) * 0.5 / 1 - 1 */
  x[0] = -1;
  CHECK(octet_set_input(exec, 0, x, sizeof x, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strstr(error, "CUSTOM:First 'y': shape inference of custom operator 'First': -1 elements") != NULL);
  x[0] = 100;
  CHECK(octet_set_input(exec, 0, x, sizeof x, error, sizeof error) == OCTET_OK);
  CHECK(octet_run(exec, error, sizeof error) == OCTET_INVALID_ARGUMENT);
  CHECK(strstr(error,
               "CUSTOM:First 'y': shape inference of custom operator 'First' gave no shape for output 0") !=
        NULL);
  octet_executor_free(exec);
  octet_model_free(model);
  octet_custom_ops_free(ops);
}
