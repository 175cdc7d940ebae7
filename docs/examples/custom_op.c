/* custom_op MODEL: runs a model whose operator "Sinh" Octet does not know. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "octet/octet.h"

static int sinh_create(void* user, const octet_custom_node* node, void** state, char* error,
                       size_t error_size) {
  octet_tensor_info x = {.struct_size = sizeof x};
  (void)user;
  *state = NULL;
  if (octet_custom_input_info(node, 0, &x) != OCTET_OK || x.dtype != OCTET_FLOAT32) {
    snprintf(error, error_size, "Sinh takes float32");
    return OCTET_UNSUPPORTED;
  }
  return OCTET_OK;
}

static int sinh_run(void* user, void* state, const octet_custom_node* node, char* error, size_t error_size) {
  octet_tensor_info info = {.struct_size = sizeof info};
  const float* x = octet_custom_input_data(node, 0);
  float* y = octet_custom_output_data(node, 0);
  (void)user, (void)state, (void)error, (void)error_size;
  octet_custom_input_info(node, 0, &info);
  for (size_t i = 0; i < info.bytes / sizeof *x; ++i)
    y[i] = sinhf(x[i]);
  return OCTET_OK;
}

int main(int argc, char** argv) {
  const octet_custom_op sinh_op = {
      .struct_size = sizeof sinh_op, .name = "Sinh", .create = sinh_create, .run = sinh_run};
  octet_executor_options options = {.struct_size = sizeof options};
  octet_tensor_info info = {.struct_size = sizeof info};
  octet_custom_ops* ops = NULL;
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  float* x = NULL;
  char error[256] = "usage: custom_op MODEL";
  int failed = argc != 2 || octet_custom_ops_create(&ops, error, sizeof error) ||
               octet_custom_ops_add(ops, &sinh_op, error, sizeof error) ||
               octet_model_load(argv[1], &model, error, sizeof error);
  options.custom_ops = ops;
  if (!failed) failed = octet_executor_create(model, &options, &exec, error, sizeof error);
  octet_custom_ops_free(ops);
  octet_model_free(model);
  if (!failed) {
    octet_input_info(exec, 0, &info);
    x = malloc(info.bytes);
    for (size_t i = 0; i < info.bytes / sizeof *x; ++i)
      x[i] = 1;
    failed =
        octet_set_input(exec, 0, x, info.bytes, error, sizeof error) || octet_run(exec, error, sizeof error);
  }
  if (failed)
    fprintf(stderr, "%s\n", error);
  else
    printf("sinh(1) = %.6f\n", *(const float*)octet_output_data(exec, 0));
  free(x);
  octet_executor_free(exec);
  return failed;
}
