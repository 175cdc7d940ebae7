/* run_model MODEL: runs a model once on zeros and prints what comes out. C99. */
#include <stdio.h>

#include "octet/octet.h"

static void print_shape(const octet_tensor_info* t) {
  for (int i = 0; i < t->rank; ++i)
    printf("%s%d", i > 0 ? "x" : "", (int)t->shape[i]);
}

int main(int argc, char** argv) {
  octet_model* model = NULL;
  octet_executor* exec = NULL;
  char error[256] = "usage: run_model MODEL";
  int failed = argc != 2 || octet_model_load(argv[1], &model, error, sizeof error) ||
               octet_executor_create(model, NULL, &exec, error, sizeof error);
  octet_model_free(model); /* the executor keeps what it needs */

  /* Inputs that are not given are zeros; octet_set_input() gives one. */
  if (!failed) failed = octet_run(exec, error, sizeof error);
  if (failed) fprintf(stderr, "%s\n", error);

  for (size_t i = 0; !failed && i < octet_output_count(exec); ++i) {
    octet_tensor_info t = {.struct_size = sizeof t};
    octet_output_info(exec, i, &t);
    printf("%s: ", t.name);
    print_shape(&t);
    if (t.dtype == OCTET_FLOAT32 && t.bytes > 0)
      printf(", the first is %g", (double)*(const float*)octet_output_data(exec, i));
    if (t.dtype == OCTET_INT8 && t.scale > 0)
      printf(", the first is %g",
             (double)t.scale * (*(const int8_t*)octet_output_data(exec, i) - t.zero_point));
    printf("\n");
  }
  octet_executor_free(exec);
  return failed != 0;
}
