/* Prints the total log-density of four data as their own queries. */
#include <scorefield/scorefield.h>
#include <stdio.h>

static int failed(scf_status status) {
  if (status != SCF_SUCCESS) {
    fprintf(stderr, "%s: %s\n", scf_status_name(status), scf_last_error());
  }
  return status != SCF_SUCCESS;
}

int main(void) {
  const double data[8] = {.001, .002, .002, .002, .004, .009, .001, .007};
  double log_density[4] = {0, 0, 0, 0};
  double total = 0;
  size_t bytes = 0;
  void* workspace = NULL;
  scf_context* context = NULL;
  scf_kde* kde = NULL;
  scf_kde_query_params params;
  scf_kde_outputs outputs;
  int i;
  if (failed(scf_kde_query_params_init(&params, sizeof params)) ||
      failed(scf_kde_outputs_init(&outputs, sizeof outputs))) {
    return 1;
  }
  params.bandwidth = .03;
  outputs.log_density = log_density;
  if (failed(scf_context_create(NULL, &context)) ||
      failed(scf_kde_create_f64(context, data, 4, 2, 2, NULL, NULL, &kde)) ||
      failed(scf_kde_evaluate_workspace(context, kde, 4, &params, &outputs, &bytes)) ||
      failed(scf_allocate(context, bytes, NULL, &workspace)) ||
      failed(scf_kde_evaluate_f64(context, kde, data, 4, 2, &params, &outputs, workspace, bytes,
                                  NULL))) {
    return 1;
  }
  for (i = 0; i < 4; ++i) {
    total += log_density[i];
  }
  scf_kde_destroy(kde);
  scf_context_destroy(context);
  printf("scorefield %s: total log-density %.9f\n", scf_version_string(), total);
  return 0;
}
