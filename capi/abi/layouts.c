/* Prints the layout of every public struct: size, then offset and size of each field. Fails where a
 * struct has a hole: padding would let a later field slip into bytes that older callers leave
 * unset, and a field that is missing below shows up as a hole too. */
#include <scorefield/scorefield.h>
#include <stdio.h>

static size_t next_offset = 0;
static int holes = 0;

static void begin_struct(const char* name, size_t size) {
  next_offset = 0;
  printf("%s %lu\n", name, (unsigned long)size);
}

static void print_field(const char* name, size_t offset, size_t size) {
  printf("  %s %lu %lu\n", name, (unsigned long)offset, (unsigned long)size);
  if (offset != next_offset) {
    printf("  HOLE before %s\n", name);
    ++holes;
  }
  next_offset = offset + size;
}

static void end_struct(size_t size) {
  if (next_offset != size) {
    printf("  HOLE at the end\n");
    ++holes;
  }
}

#define STRUCT(type) begin_struct(#type, sizeof(type))
/* The size of a pointer to a struct is what is meant. NOLINTNEXTLINE(bugprone-sizeof-expression) */
#define FIELD(type, field) print_field(#field, offsetof(type, field), sizeof(((type*)NULL)->field))
#define END(type) end_struct(sizeof(type))

static void print_core(void) {
  STRUCT(scf_device_info);
  FIELD(scf_device_info, struct_size);
  FIELD(scf_device_info, backend);
  FIELD(scf_device_info, device);
  FIELD(scf_device_info, compute_capability);
  FIELD(scf_device_info, cores);
  FIELD(scf_device_info, reserved);
  FIELD(scf_device_info, memory_bytes);
  FIELD(scf_device_info, name);
  END(scf_device_info);

  STRUCT(scf_context_params);
  FIELD(scf_context_params, struct_size);
  FIELD(scf_context_params, backend);
  FIELD(scf_context_params, device);
  FIELD(scf_context_params, threads);
  FIELD(scf_context_params, cpu_target);
  FIELD(scf_context_params, allocator_user);
  FIELD(scf_context_params, host_allocate);
  FIELD(scf_context_params, host_free);
  FIELD(scf_context_params, device_allocate);
  FIELD(scf_context_params, device_free);
  END(scf_context_params);
}

static void print_kde(void) {
  STRUCT(scf_kde_params);
  FIELD(scf_kde_params, struct_size);
  FIELD(scf_kde_params, reserved);
  FIELD(scf_kde_params, weights);
  FIELD(scf_kde_params, labels);
  FIELD(scf_kde_params, index);
  FIELD(scf_kde_params, reserved_index);
  END(scf_kde_params);

  STRUCT(scf_kde_query_params);
  FIELD(scf_kde_query_params, struct_size);
  FIELD(scf_kde_query_params, top);
  FIELD(scf_kde_query_params, bandwidth);
  FIELD(scf_kde_query_params, signal_scale);
  FIELD(scf_kde_query_params, bandwidths);
  FIELD(scf_kde_query_params, signal_scales);
  FIELD(scf_kde_query_params, skip);
  FIELD(scf_kde_query_params, labels);
  FIELD(scf_kde_query_params, tangent);
  FIELD(scf_kde_query_params, ld_tangent);
  FIELD(scf_kde_query_params, status);
  FIELD(scf_kde_query_params, tolerance);
  END(scf_kde_query_params);

  STRUCT(scf_kde_outputs);
  FIELD(scf_kde_outputs, struct_size);
  FIELD(scf_kde_outputs, reserved);
  FIELD(scf_kde_outputs, log_density);
  FIELD(scf_kde_outputs, score);
  FIELD(scf_kde_outputs, ld_score);
  FIELD(scf_kde_outputs, denoised);
  FIELD(scf_kde_outputs, ld_denoised);
  FIELD(scf_kde_outputs, divergence);
  FIELD(scf_kde_outputs, jacobian_product);
  FIELD(scf_kde_outputs, ld_jacobian_product);
  FIELD(scf_kde_outputs, quadratic_form);
  FIELD(scf_kde_outputs, effective_sample_size);
  FIELD(scf_kde_outputs, top_indices);
  FIELD(scf_kde_outputs, top_weights);
  FIELD(scf_kde_outputs, evaluated);
  FIELD(scf_kde_outputs, method);
  END(scf_kde_outputs);

  STRUCT(scf_kde_gradients);
  FIELD(scf_kde_gradients, struct_size);
  FIELD(scf_kde_gradients, reserved);
  FIELD(scf_kde_gradients, log_density_weights);
  FIELD(scf_kde_gradients, score_weights);
  FIELD(scf_kde_gradients, ld_score_weights);
  FIELD(scf_kde_gradients, data);
  FIELD(scf_kde_gradients, ld_data);
  FIELD(scf_kde_gradients, log_weights);
  FIELD(scf_kde_gradients, log_bandwidths);
  FIELD(scf_kde_gradients, divergence_weights);
  FIELD(scf_kde_gradients, quadratic_form_weights);
  END(scf_kde_gradients);
}

static void print_random(void) {
  STRUCT(scf_random_params);
  FIELD(scf_random_params, struct_size);
  FIELD(scf_random_params, reserved);
  FIELD(scf_random_params, seed);
  FIELD(scf_random_params, offset);
  FIELD(scf_random_params, first_row);
  FIELD(scf_random_params, device_offset);
  END(scf_random_params);
}

static void print_loss(void) {
  STRUCT(scf_loss_params);
  FIELD(scf_loss_params, struct_size);
  FIELD(scf_loss_params, form);
  FIELD(scf_loss_params, weighting);
  FIELD(scf_loss_params, probe);
  FIELD(scf_loss_params, weighting_exponent);
  FIELD(scf_loss_params, weights);
  FIELD(scf_loss_params, sigma);
  FIELD(scf_loss_params, signal_scale);
  FIELD(scf_loss_params, sigmas);
  FIELD(scf_loss_params, signal_scales);
  FIELD(scf_loss_params, epsilon);
  FIELD(scf_loss_params, projections);
  FIELD(scf_loss_params, variance_reduced);
  FIELD(scf_loss_params, per_dimension);
  FIELD(scf_loss_params, seed);
  FIELD(scf_loss_params, offset);
  FIELD(scf_loss_params, first_row);
  FIELD(scf_loss_params, device_offset);
  FIELD(scf_loss_params, noise);
  FIELD(scf_loss_params, ld_noise);
  FIELD(scf_loss_params, probes);
  FIELD(scf_loss_params, ld_probes);
  FIELD(scf_loss_params, mask);
  FIELD(scf_loss_params, gradient_scale);
  FIELD(scf_loss_params, status);
  END(scf_loss_params);

  STRUCT(scf_loss_outputs);
  FIELD(scf_loss_outputs, struct_size);
  FIELD(scf_loss_outputs, reserved);
  FIELD(scf_loss_outputs, values);
  FIELD(scf_loss_outputs, mean);
  FIELD(scf_loss_outputs, standard_error);
  END(scf_loss_outputs);

  STRUCT(scf_kde_loss_params);
  FIELD(scf_kde_loss_params, struct_size);
  FIELD(scf_kde_loss_params, loss);
  FIELD(scf_kde_loss_params, data_kde);
  FIELD(scf_kde_loss_params, data_query);
  END(scf_kde_loss_params);

  STRUCT(scf_bandwidth_fit);
  FIELD(scf_bandwidth_fit, struct_size);
  FIELD(scf_bandwidth_fit, evaluations);
  FIELD(scf_bandwidth_fit, least);
  FIELD(scf_bandwidth_fit, most);
  FIELD(scf_bandwidth_fit, tolerance);
  FIELD(scf_bandwidth_fit, max_evaluations);
  FIELD(scf_bandwidth_fit, at_edge);
  FIELD(scf_bandwidth_fit, bandwidth);
  FIELD(scf_bandwidth_fit, loss);
  FIELD(scf_bandwidth_fit, progress);
  FIELD(scf_bandwidth_fit, progress_user);
  END(scf_bandwidth_fit);
}

static void print_divergence(void) {
  STRUCT(scf_divergence_points);
  FIELD(scf_divergence_points, struct_size);
  FIELD(scf_divergence_points, reserved);
  FIELD(scf_divergence_points, m);
  FIELD(scf_divergence_points, d);
  FIELD(scf_divergence_points, log_p);
  FIELD(scf_divergence_points, log_q);
  FIELD(scf_divergence_points, score_p);
  FIELD(scf_divergence_points, ld_score_p);
  FIELD(scf_divergence_points, score_q);
  FIELD(scf_divergence_points, ld_score_q);
  FIELD(scf_divergence_points, integrand);
  FIELD(scf_divergence_points, ld_integrand);
  FIELD(scf_divergence_points, log_q_gradient);
  FIELD(scf_divergence_points, score_q_gradient);
  FIELD(scf_divergence_points, ld_score_q_gradient);
  END(scf_divergence_points);

  STRUCT(scf_divergence_outputs);
  FIELD(scf_divergence_outputs, struct_size);
  FIELD(scf_divergence_outputs, reserved);
  FIELD(scf_divergence_outputs, value);
  FIELD(scf_divergence_outputs, standard_error);
  FIELD(scf_divergence_outputs, cotangent);
  FIELD(scf_divergence_outputs, gradient_scale);
  FIELD(scf_divergence_outputs, status);
  END(scf_divergence_outputs);

  STRUCT(scf_local_variance_points);
  FIELD(scf_local_variance_points, struct_size);
  FIELD(scf_local_variance_points, reserved);
  FIELD(scf_local_variance_points, m);
  FIELD(scf_local_variance_points, d);
  FIELD(scf_local_variance_points, c);
  FIELD(scf_local_variance_points, displacement);
  FIELD(scf_local_variance_points, ld_displacement);
  FIELD(scf_local_variance_points, f);
  FIELD(scf_local_variance_points, ld_f);
  FIELD(scf_local_variance_points, f_displaced);
  FIELD(scf_local_variance_points, ld_f_displaced);
  FIELD(scf_local_variance_points, integrand);
  FIELD(scf_local_variance_points, f_gradient);
  FIELD(scf_local_variance_points, ld_f_gradient);
  FIELD(scf_local_variance_points, f_displaced_gradient);
  FIELD(scf_local_variance_points, ld_f_displaced_gradient);
  END(scf_local_variance_points);

  STRUCT(scf_kde_divergence_params);
  FIELD(scf_kde_divergence_params, struct_size);
  FIELD(scf_kde_divergence_params, divergence);
  FIELD(scf_kde_divergence_params, p);
  FIELD(scf_kde_divergence_params, q);
  FIELD(scf_kde_divergence_params, p_query);
  FIELD(scf_kde_divergence_params, q_query);
  FIELD(scf_kde_divergence_params, x);
  FIELD(scf_kde_divergence_params, m);
  FIELD(scf_kde_divergence_params, ldx);
  FIELD(scf_kde_divergence_params, y);
  FIELD(scf_kde_divergence_params, n);
  FIELD(scf_kde_divergence_params, ldy);
  FIELD(scf_kde_divergence_params, epsilon);
  FIELD(scf_kde_divergence_params, seed);
  FIELD(scf_kde_divergence_params, offset);
  FIELD(scf_kde_divergence_params, first_row);
  FIELD(scf_kde_divergence_params, device_offset);
  FIELD(scf_kde_divergence_params, noise);
  FIELD(scf_kde_divergence_params, ld_noise);
  END(scf_kde_divergence_params);
}

static void print_schedule(void) {
  STRUCT(scf_sde_params);
  FIELD(scf_sde_params, struct_size);
  FIELD(scf_sde_params, kind);
  FIELD(scf_sde_params, sigma_min);
  FIELD(scf_sde_params, sigma_max);
  FIELD(scf_sde_params, beta_min);
  FIELD(scf_sde_params, beta_max);
  END(scf_sde_params);

  STRUCT(scf_sde_coefficients);
  FIELD(scf_sde_coefficients, struct_size);
  FIELD(scf_sde_coefficients, reserved);
  FIELD(scf_sde_coefficients, signal_scale);
  FIELD(scf_sde_coefficients, sigma);
  FIELD(scf_sde_coefficients, drift);
  FIELD(scf_sde_coefficients, diffusion);
  END(scf_sde_coefficients);
}

static void print_sampler(void) {
  STRUCT(scf_step_params);
  FIELD(scf_step_params, struct_size);
  FIELD(scf_step_params, form);
  FIELD(scf_step_params, signal_scale);
  FIELD(scf_step_params, sigma);
  FIELD(scf_step_params, next_signal_scale);
  FIELD(scf_step_params, next_sigma);
  FIELD(scf_step_params, signal_scales);
  FIELD(scf_step_params, sigmas);
  FIELD(scf_step_params, next_signal_scales);
  FIELD(scf_step_params, next_sigmas);
  FIELD(scf_step_params, clip);
  FIELD(scf_step_params, temperature);
  FIELD(scf_step_params, step_size);
  FIELD(scf_step_params, step_sizes);
  FIELD(scf_step_params, variance);
  FIELD(scf_step_params, rule);
  FIELD(scf_step_params, eta);
  FIELD(scf_step_params, snr);
  FIELD(scf_step_params, corrector_scale);
  FIELD(scf_step_params, drift);
  FIELD(scf_step_params, diffusion);
  FIELD(scf_step_params, interval);
  FIELD(scf_step_params, drifts);
  FIELD(scf_step_params, diffusions);
  FIELD(scf_step_params, intervals);
  FIELD(scf_step_params, before_signal_scale);
  FIELD(scf_step_params, before_sigma);
  FIELD(scf_step_params, before_signal_scales);
  FIELD(scf_step_params, before_sigmas);
  FIELD(scf_step_params, seed);
  FIELD(scf_step_params, offset);
  FIELD(scf_step_params, first_row);
  FIELD(scf_step_params, device_offset);
  FIELD(scf_step_params, noise);
  FIELD(scf_step_params, ld_noise);
  FIELD(scf_step_params, denoised);
  FIELD(scf_step_params, ld_denoised);
  FIELD(scf_step_params, status);
  END(scf_step_params);

  STRUCT(scf_model_request);
  FIELD(scf_model_request, struct_size);
  FIELD(scf_model_request, element_bytes);
  FIELD(scf_model_request, m);
  FIELD(scf_model_request, d);
  FIELD(scf_model_request, x);
  FIELD(scf_model_request, ldx);
  FIELD(scf_model_request, output);
  FIELD(scf_model_request, ld_output);
  FIELD(scf_model_request, signal_scale);
  FIELD(scf_model_request, sigma);
  FIELD(scf_model_request, time);
  FIELD(scf_model_request, step);
  FIELD(scf_model_request, stream);
  END(scf_model_request);

  STRUCT(scf_sampler_params);
  FIELD(scf_sampler_params, struct_size);
  FIELD(scf_sampler_params, method);
  FIELD(scf_sampler_params, steps);
  FIELD(scf_sampler_params, signal_scales);
  FIELD(scf_sampler_params, sigmas);
  FIELD(scf_sampler_params, times);
  FIELD(scf_sampler_params, step_sizes);
  FIELD(scf_sampler_params, drifts);
  FIELD(scf_sampler_params, diffusions);
  FIELD(scf_sampler_params, intervals);
  FIELD(scf_sampler_params, predictor);
  FIELD(scf_sampler_params, corrector_first);
  FIELD(scf_sampler_params, corrector_steps);
  FIELD(scf_sampler_params, rule);
  FIELD(scf_sampler_params, variance);
  FIELD(scf_sampler_params, snr);
  FIELD(scf_sampler_params, eta);
  FIELD(scf_sampler_params, clip);
  FIELD(scf_sampler_params, temperature);
  FIELD(scf_sampler_params, churn);
  FIELD(scf_sampler_params, churn_min);
  FIELD(scf_sampler_params, churn_max);
  FIELD(scf_sampler_params, churn_noise);
  FIELD(scf_sampler_params, denoise);
  FIELD(scf_sampler_params, start);
  FIELD(scf_sampler_params, form);
  FIELD(scf_sampler_params, capturable);
  FIELD(scf_sampler_params, model);
  FIELD(scf_sampler_params, model_user);
  FIELD(scf_sampler_params, kde);
  FIELD(scf_sampler_params, base_bandwidth);
  FIELD(scf_sampler_params, labels);
  FIELD(scf_sampler_params, guidance);
  FIELD(scf_sampler_params, guidance_user);
  FIELD(scf_sampler_params, known);
  FIELD(scf_sampler_params, ld_known);
  FIELD(scf_sampler_params, seed);
  FIELD(scf_sampler_params, offset);
  FIELD(scf_sampler_params, first_row);
  FIELD(scf_sampler_params, first_step);
  FIELD(scf_sampler_params, stop_step);
  FIELD(scf_sampler_params, previous);
  FIELD(scf_sampler_params, trajectory);
  FIELD(scf_sampler_params, trajectory_every);
  FIELD(scf_sampler_params, progress);
  FIELD(scf_sampler_params, progress_user);
  FIELD(scf_sampler_params, progress_every);
  END(scf_sampler_params);

  STRUCT(scf_sampler_result);
  FIELD(scf_sampler_result, struct_size);
  FIELD(scf_sampler_result, status);
  FIELD(scf_sampler_result, steps_done);
  FIELD(scf_sampler_result, failed_step);
  FIELD(scf_sampler_result, evaluations);
  END(scf_sampler_result);
}

static void print_ode(void) {
  STRUCT(scf_field_request);
  FIELD(scf_field_request, struct_size);
  FIELD(scf_field_request, element_bytes);
  FIELD(scf_field_request, m);
  FIELD(scf_field_request, d);
  FIELD(scf_field_request, times);
  FIELD(scf_field_request, signal_scales);
  FIELD(scf_field_request, sigmas);
  FIELD(scf_field_request, samples);
  FIELD(scf_field_request, x);
  FIELD(scf_field_request, ldx);
  FIELD(scf_field_request, value);
  FIELD(scf_field_request, ld_value);
  FIELD(scf_field_request, divergence);
  FIELD(scf_field_request, tangent);
  FIELD(scf_field_request, ld_tangent);
  FIELD(scf_field_request, jacobian_product);
  FIELD(scf_field_request, ld_jacobian_product);
  FIELD(scf_field_request, cotangent);
  FIELD(scf_field_request, ld_cotangent);
  FIELD(scf_field_request, vector_jacobian);
  FIELD(scf_field_request, ld_vector_jacobian);
  FIELD(scf_field_request, parameter_gradient);
  FIELD(scf_field_request, stream);
  END(scf_field_request);

  STRUCT(scf_field);
  FIELD(scf_field, struct_size);
  FIELD(scf_field, kind);
  FIELD(scf_field, function);
  FIELD(scf_field, user);
  FIELD(scf_field, sde);
  FIELD(scf_field, kde);
  FIELD(scf_field, base_bandwidth);
  FIELD(scf_field, labels);
  END(scf_field);

  STRUCT(scf_ode_params);
  FIELD(scf_ode_params, struct_size);
  FIELD(scf_ode_params, solver);
  FIELD(scf_ode_params, times);
  FIELD(scf_ode_params, n_times);
  FIELD(scf_ode_params, steps);
  FIELD(scf_ode_params, rtol);
  FIELD(scf_ode_params, atol);
  FIELD(scf_ode_params, first_step);
  FIELD(scf_ode_params, max_steps);
  FIELD(scf_ode_params, trace);
  FIELD(scf_ode_params, probe);
  FIELD(scf_ode_params, probes);
  FIELD(scf_ode_params, seed);
  FIELD(scf_ode_params, offset);
  FIELD(scf_ode_params, first_row);
  FIELD(scf_ode_params, states);
  FIELD(scf_ode_params, log_densities);
  FIELD(scf_ode_params, statuses);
  FIELD(scf_ode_params, steps_taken);
  FIELD(scf_ode_params, steps_refused);
  FIELD(scf_ode_params, progress);
  FIELD(scf_ode_params, progress_user);
  END(scf_ode_params);

  STRUCT(scf_ode_result);
  FIELD(scf_ode_result, struct_size);
  FIELD(scf_ode_result, status);
  FIELD(scf_ode_result, failed);
  FIELD(scf_ode_result, first_failed);
  FIELD(scf_ode_result, calls);
  FIELD(scf_ode_result, evaluations);
  END(scf_ode_result);

  STRUCT(scf_likelihood_params);
  FIELD(scf_likelihood_params, struct_size);
  FIELD(scf_likelihood_params, prior);
  FIELD(scf_likelihood_params, prior_variance);
  FIELD(scf_likelihood_params, bin_width);
  FIELD(scf_likelihood_params, latents);
  FIELD(scf_likelihood_params, ld_latents);
  END(scf_likelihood_params);

  STRUCT(scf_likelihood_result);
  FIELD(scf_likelihood_result, struct_size);
  FIELD(scf_likelihood_result, reserved);
  FIELD(scf_likelihood_result, mean_log_density);
  FIELD(scf_likelihood_result, bits_per_dimension);
  FIELD(scf_likelihood_result, solution);
  END(scf_likelihood_result);

  STRUCT(scf_adjoint_params);
  FIELD(scf_adjoint_params, struct_size);
  FIELD(scf_adjoint_params, method);
  FIELD(scf_adjoint_params, checkpoint_every);
  FIELD(scf_adjoint_params, output_gradients);
  FIELD(scf_adjoint_params, parameter_gradient);
  FIELD(scf_adjoint_params, n_parameters);
  FIELD(scf_adjoint_params, log_bandwidth_gradient);
  FIELD(scf_adjoint_params, data_gradient);
  FIELD(scf_adjoint_params, ld_data_gradient);
  END(scf_adjoint_params);

  STRUCT(scf_local_variance_params);
  FIELD(scf_local_variance_params, struct_size);
  FIELD(scf_local_variance_params, method);
  FIELD(scf_local_variance_params, epsilon);
  FIELD(scf_local_variance_params, draws);
  FIELD(scf_local_variance_params, seed);
  FIELD(scf_local_variance_params, offset);
  FIELD(scf_local_variance_params, first_row);
  END(scf_local_variance_params);
}

int main(void) {
  print_core();
  print_kde();
  print_random();
  print_divergence();
  print_loss();
  print_schedule();
  print_sampler();
  print_ode();
  return holes;
}
