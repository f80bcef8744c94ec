/* Log-density and score of three points under four data in the plane.
 * Usage: kde_score [cpu|cuda] */
#include <scorefield/scorefield.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stops at the first failure; the library says what was wrong. */
static void check(scf_status status) {
  if (status != SCF_SUCCESS) {
    fprintf(stderr, "%s: %s\n", scf_status_name(status), scf_last_error());
    exit(status == SCF_ERROR_BACKEND_UNAVAILABLE ? 3 : 1);
  }
}

int main(int argc, char** argv) {
  enum { N = 4, M = 3, D = 2 };
  const float data[N * D] = {0, 0, 2, 0, 0, 2, 2, 2}, queries[M * D] = {1, 1, 0, 0, 3, 1};
  float log_density[M], score[M * D];

  scf_context_params device; /* where to run */
  check(scf_context_params_init(&device, sizeof device));
  if (argc > 1 && strcmp(argv[1], "cuda") == 0) device.backend = SCF_BACKEND_CUDA;
  scf_context* context = NULL;
  check(scf_context_create(&device, &context));

  void *y = NULL, *x = NULL, *log_p = NULL, *s = NULL, *workspace = NULL; /* device memory */
  check(scf_allocate(context, sizeof data, NULL, &y));
  check(scf_allocate(context, sizeof queries, NULL, &x));
  check(scf_allocate(context, sizeof log_density, NULL, &log_p));
  check(scf_allocate(context, sizeof score, NULL, &s));
  check(scf_copy(context, y, data, sizeof data, SCF_COPY_HOST_TO_DEVICE, NULL));
  check(scf_copy(context, x, queries, sizeof queries, SCF_COPY_HOST_TO_DEVICE, NULL));

  scf_kde* kde = NULL; /* the data, laid out once for many evaluations */
  check(scf_kde_create_f32(context, y, N, D, D, NULL, NULL, &kde));

  scf_kde_query_params params; /* which density, and what of it */
  scf_kde_outputs outputs;
  check(scf_kde_query_params_init(&params, sizeof params));
  check(scf_kde_outputs_init(&outputs, sizeof outputs));
  params.bandwidth = 0.5;
  outputs.log_density = log_p, outputs.score = s, outputs.ld_score = D;
  size_t bytes = 0;
  check(scf_kde_evaluate_workspace(context, kde, M, &params, &outputs, &bytes));
  check(scf_allocate(context, bytes, NULL, &workspace));
  check(scf_kde_evaluate_f32(context, kde, x, M, D, &params, &outputs, workspace, bytes, NULL));

  check(scf_copy(context, log_density, log_p, sizeof log_density, SCF_COPY_DEVICE_TO_HOST, NULL));
  check(scf_copy(context, score, s, sizeof score, SCF_COPY_DEVICE_TO_HOST, NULL));
  check(scf_stream_synchronize(context, NULL));
  for (int i = 0; i < M; ++i) {
    printf("x = (%g, %g)  log p = %.4f  score = (%.4f, %.4f)\n", queries[i * D], queries[i * D + 1],
           log_density[i], score[i * D], score[i * D + 1]);
  }
  scf_kde_destroy(kde);
  scf_context_destroy(context); /* frees what scf_allocate gave */
}
