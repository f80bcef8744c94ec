//! The structs lie in memory as in C: capi/abi/layouts.txt, which the C compiler was asked for.
use scorefield::sys::*;
use std::fmt::Write;
use std::mem::{size_of, MaybeUninit};
use std::ptr::addr_of;

fn size_of_value<T>(_: *const T) -> usize {
    size_of::<T>()
}

/// "struct size", then "  field offset size" of each.
macro_rules! layouts {
    ($text:ident, $($name:ident { $($field:ident),* $(,)? })*) => {
        $(
            writeln!($text, "{} {}", stringify!($name), size_of::<$name>()).unwrap();
            let whole = MaybeUninit::<$name>::uninit();
            let start = whole.as_ptr();
            $(
                // SAFETY: nothing is read: addresses alone.
                let field = unsafe { addr_of!((*start).$field) };
                let offset = field as usize - start as usize;
                let size = size_of_value(field);
                writeln!($text, "  {} {offset} {size}", stringify!($field)).unwrap();
            )*
        )*
    };
}

#[test]
#[cfg(target_pointer_width = "64")]
fn are_those_of_c() {
    let mut text = String::new();
    layouts! { text,
        scf_device_info {
            struct_size, backend, device, compute_capability, cores, reserved, memory_bytes, name,
        }
        scf_context_params {
            struct_size, backend, device, threads, cpu_target, allocator_user, host_allocate,
            host_free, device_allocate, device_free,
        }
        scf_kde_params { struct_size, reserved, weights, labels, index, reserved_index }
        scf_kde_query_params {
            struct_size, top, bandwidth, signal_scale, bandwidths, signal_scales, skip, labels,
            tangent, ld_tangent, status, tolerance,
        }
        scf_kde_outputs {
            struct_size, reserved, log_density, score, ld_score, denoised, ld_denoised, divergence,
            jacobian_product, ld_jacobian_product, quadratic_form, effective_sample_size,
            top_indices, top_weights, evaluated, method,
        }
        scf_kde_gradients {
            struct_size, reserved, log_density_weights, score_weights, ld_score_weights, data,
            ld_data, log_weights, log_bandwidths, divergence_weights, quadratic_form_weights,
        }
        scf_random_params { struct_size, reserved, seed, offset, first_row, device_offset }
        scf_divergence_points {
            struct_size, reserved, m, d, log_p, log_q, score_p, ld_score_p, score_q, ld_score_q,
            integrand, ld_integrand, log_q_gradient, score_q_gradient, ld_score_q_gradient,
        }
        scf_divergence_outputs {
            struct_size, reserved, value, standard_error, cotangent, gradient_scale, status,
        }
        scf_local_variance_points {
            struct_size, reserved, m, d, c, displacement, ld_displacement, f, ld_f, f_displaced,
            ld_f_displaced, integrand, f_gradient, ld_f_gradient, f_displaced_gradient,
            ld_f_displaced_gradient,
        }
        scf_kde_divergence_params {
            struct_size, divergence, p, q, p_query, q_query, x, m, ldx, y, n, ldy, epsilon, seed,
            offset, first_row, device_offset, noise, ld_noise,
        }
        scf_loss_params {
            struct_size, form, weighting, probe, weighting_exponent, weights, sigma, signal_scale,
            sigmas, signal_scales, epsilon, projections, variance_reduced, per_dimension, seed,
            offset, first_row, device_offset, noise, ld_noise, probes, ld_probes, mask,
            gradient_scale, status,
        }
        scf_loss_outputs { struct_size, reserved, values, mean, standard_error }
        scf_kde_loss_params { struct_size, loss, data_kde, data_query }
        scf_bandwidth_fit {
            struct_size, evaluations, least, most, tolerance, max_evaluations, at_edge, bandwidth,
            loss, progress, progress_user,
        }
        scf_sde_params { struct_size, kind, sigma_min, sigma_max, beta_min, beta_max }
        scf_sde_coefficients { struct_size, reserved, signal_scale, sigma, drift, diffusion }
        scf_step_params {
            struct_size, form, signal_scale, sigma, next_signal_scale, next_sigma, signal_scales,
            sigmas, next_signal_scales, next_sigmas, clip, temperature, step_size, step_sizes,
            variance, rule, eta, snr, corrector_scale, drift, diffusion, interval, drifts,
            diffusions, intervals, before_signal_scale, before_sigma, before_signal_scales,
            before_sigmas, seed, offset, first_row, device_offset, noise, ld_noise, denoised,
            ld_denoised, status,
        }
        scf_model_request {
            struct_size, element_bytes, m, d, x, ldx, output, ld_output, signal_scale, sigma, time,
            step, stream,
        }
        scf_sampler_params {
            struct_size, method, steps, signal_scales, sigmas, times, step_sizes, drifts,
            diffusions, intervals, predictor, corrector_first, corrector_steps, rule, variance, snr,
            eta, clip, temperature, churn, churn_min, churn_max, churn_noise, denoise, start, form,
            capturable, model, model_user, kde, base_bandwidth, labels, guidance, guidance_user,
            known, ld_known, seed, offset, first_row, first_step, stop_step, previous, trajectory,
            trajectory_every, progress, progress_user, progress_every,
        }
        scf_sampler_result { struct_size, status, steps_done, failed_step, evaluations }
        scf_field_request {
            struct_size, element_bytes, m, d, times, signal_scales, sigmas, samples, x, ldx, value,
            ld_value, divergence, tangent, ld_tangent, jacobian_product, ld_jacobian_product,
            cotangent, ld_cotangent, vector_jacobian, ld_vector_jacobian, parameter_gradient,
            stream,
        }
        scf_field { struct_size, kind, function, user, sde, kde, base_bandwidth, labels }
        scf_ode_params {
            struct_size, solver, times, n_times, steps, rtol, atol, first_step, max_steps, trace,
            probe, probes, seed, offset, first_row, states, log_densities, statuses, steps_taken,
            steps_refused, progress, progress_user,
        }
        scf_ode_result { struct_size, status, failed, first_failed, calls, evaluations }
        scf_likelihood_params { struct_size, prior, prior_variance, bin_width, latents, ld_latents }
        scf_likelihood_result {
            struct_size, reserved, mean_log_density, bits_per_dimension, solution,
        }
        scf_adjoint_params {
            struct_size, method, checkpoint_every, output_gradients, parameter_gradient,
            n_parameters, log_bandwidth_gradient, data_gradient, ld_data_gradient,
        }
        scf_local_variance_params { struct_size, method, epsilon, draws, seed, offset, first_row }
    }
    let expected = include_str!("../../abi/layouts.txt");
    for (line, (found, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of layouts.txt", line + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}
