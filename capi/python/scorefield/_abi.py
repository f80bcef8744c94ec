"""The C interface as tables: constants, structs and functions of include/scorefield/*.h.

Types are the letters of the standard module `struct`: i int32, I uint32, q int64, Q uint64, N
size_t, d double, P any pointer or handle. A test compares every line with the headers.
"""

import ctypes

# Constants that are one of a group are in CHOICES below.
CONSTANTS = {
    "SCF_SUCCESS": 0,
    "SCF_KDE_ANY_LABEL": -(2**31),
    "SCF_KDE_MAX_TOP": 64,
}

# Groups of constants by their prefix; names in lower case: SCF_FORM_SCORE is
# CHOICES["SCF_FORM_"]["score"].
CHOICES = {
    "SCF_ERROR_": {
        "invalid_argument": 1,
        "out_of_memory": 2,
        "workspace_too_small": 3,
        "unsupported": 4,
        "backend_unavailable": 5,
        "cuda": 6,
        "cancelled": 7,
        "internal": 8,
    },
    "SCF_BACKEND_": {"cpu": 0, "cuda": 1},
    "SCF_COPY_": {"host_to_device": 0, "device_to_host": 1, "device_to_device": 2},
    "SCF_KDE_METHOD_": {"dense": 0, "boxes": 1, "screen": 2, "expansion": 3},
    "SCF_KDE_STATUS_": {
        "bad_bandwidth": 1,
        "bad_signal_scale": 2,
        "bad_skip": 4,
        "bad_label": 8,
        "no_weight": 16,
        "bad_query": 32,
    },
    "SCF_FORM_": {"score": 0, "epsilon": 1, "x0": 2, "v": 3},
    "SCF_WEIGHTING_": {"none": 0, "sigma": 1, "array": 2},
    "SCF_PROBE_": {"rademacher": 0, "gaussian": 1, "sphere": 2},
    "SCF_LOSS_STATUS_": {
        "not_finite": 1,
        "no_sample": 2,
        "bad_sigma": 4,
        "bad_signal_scale": 8,
        "bad_weight": 16,
    },
    "SCF_LOSS_": {
        "esm": 0,
        "ism": 1,
        "dsm": 2,
        "ssm": 3,
        "fdssm": 4,
        "fdssm_score": 5,
        "fddsm": 6,
        "dde": 7,
        "likelihood": 8,
    },
    "SCF_DIVERGENCE_STATUS_": {"not_finite": 1, "no_point": 2},
    "SCF_DIVERGENCE_": {
        "fisher": 0,
        "kl": 1,
        "kls": 2,
        "f2": 3,
        "js": 4,
        "jf": 5,
        "local_variance": 6,
    },
    "SCF_SDE_": {"ve": 0, "vp": 1, "subvp": 2},
    "SCF_VARIANCE_": {"small": 0, "large": 1},
    "SCF_CORRECTOR_": {"sigma": 0, "sample": 1, "batch": 2},
    "SCF_STEP_STATUS_": {"bad_level": 1, "bad_step_size": 2, "not_finite": 4},
    "SCF_SAMPLER_": {"smld": 0, "ddpm": 1, "ddim": 2, "pc": 3, "em": 4, "edm": 5, "dpmpp": 6},
    "SCF_PREDICTOR_": {"none": 0, "reverse_diffusion": 1, "ancestral": 2, "euler_maruyama": 3},
    "SCF_START_": {"given": 0, "prior": 1, "matched": 2},
    "SCF_FIELD_": {"function": 0, "score": 1, "kde": 2},
    "SCF_ODE_": {"euler": 0, "heun": 1, "rk4": 2, "dopri5": 3},
    "SCF_TRACE_": {"none": 0, "exact": 1, "hutchinson": 2},
    "SCF_ODE_STATUS_": {"not_finite": 1, "step_underflow": 2, "step_limit": 4},
    "SCF_PRIOR_": {"exact": 0, "matched": 1, "gaussian": 2},
    "SCF_ADJOINT_": {"discrete": 0, "continuous": 1},
    "SCF_LOCAL_VARIANCE_": {"noise": 0, "jacobian": 1},
}

# Fields in order. A struct inside another is named.
STRUCTS = {
    "scf_device_info": (
        "struct_size:I backend:i device:i compute_capability:i cores:i reserved:i memory_bytes:q "
        "name:128s"
    ),
    "scf_context_params": (
        "struct_size:I backend:i device:i threads:i cpu_target:P allocator_user:P host_allocate:P "
        "host_free:P device_allocate:P device_free:P"
    ),
    "scf_kde_params": "struct_size:I reserved:I weights:P labels:P index:i reserved_index:i",
    "scf_kde_query_params": (
        "struct_size:I top:i bandwidth:d signal_scale:d bandwidths:P signal_scales:P skip:P "
        "labels:P tangent:P ld_tangent:q status:P tolerance:d"
    ),
    "scf_kde_outputs": (
        "struct_size:I reserved:I log_density:P score:P ld_score:q denoised:P ld_denoised:q "
        "divergence:P jacobian_product:P ld_jacobian_product:q quadratic_form:P "
        "effective_sample_size:P top_indices:P top_weights:P evaluated:P method:P"
    ),
    "scf_kde_gradients": (
        "struct_size:I reserved:I log_density_weights:P score_weights:P ld_score_weights:q data:P "
        "ld_data:q log_weights:P log_bandwidths:P divergence_weights:P quadratic_form_weights:P"
    ),
    "scf_random_params": "struct_size:I reserved:I seed:Q offset:Q first_row:q device_offset:P",
    "scf_loss_params": (
        "struct_size:I form:i weighting:i probe:i weighting_exponent:d weights:P sigma:d "
        "signal_scale:d sigmas:P signal_scales:P epsilon:d projections:q variance_reduced:i "
        "per_dimension:i seed:Q offset:Q first_row:q device_offset:P noise:P ld_noise:q probes:P "
        "ld_probes:q mask:P gradient_scale:d status:P"
    ),
    "scf_loss_outputs": "struct_size:I reserved:I values:P mean:P standard_error:P",
    "scf_kde_loss_params": "struct_size:I loss:i data_kde:P data_query:P",
    "scf_bandwidth_fit": (
        "struct_size:I evaluations:i least:d most:d tolerance:d max_evaluations:i at_edge:i "
        "bandwidth:d loss:d progress:P progress_user:P"
    ),
    "scf_divergence_points": (
        "struct_size:I reserved:I m:q d:q log_p:P log_q:P score_p:P ld_score_p:q score_q:P "
        "ld_score_q:q integrand:P ld_integrand:q log_q_gradient:P score_q_gradient:P "
        "ld_score_q_gradient:q"
    ),
    "scf_divergence_outputs": (
        "struct_size:I reserved:I value:P standard_error:P cotangent:P gradient_scale:d status:P"
    ),
    "scf_local_variance_points": (
        "struct_size:I reserved:I m:q d:q c:q displacement:P ld_displacement:q f:P ld_f:q "
        "f_displaced:P ld_f_displaced:q integrand:P f_gradient:P ld_f_gradient:q "
        "f_displaced_gradient:P ld_f_displaced_gradient:q"
    ),
    "scf_kde_divergence_params": (
        "struct_size:I divergence:i p:P q:P p_query:P q_query:P x:P m:q ldx:q y:P n:q ldy:q "
        "epsilon:d seed:Q offset:Q first_row:q device_offset:P noise:P ld_noise:q"
    ),
    "scf_sde_params": "struct_size:I kind:i sigma_min:d sigma_max:d beta_min:d beta_max:d",
    "scf_sde_coefficients": "struct_size:I reserved:I signal_scale:P sigma:P drift:P diffusion:P",
    "scf_step_params": (
        "struct_size:I form:i signal_scale:d sigma:d next_signal_scale:d next_sigma:d "
        "signal_scales:P sigmas:P next_signal_scales:P next_sigmas:P clip:d temperature:d "
        "step_size:d step_sizes:P variance:i rule:i eta:d snr:d corrector_scale:d drift:d "
        "diffusion:d interval:d drifts:P diffusions:P intervals:P before_signal_scale:d "
        "before_sigma:d before_signal_scales:P before_sigmas:P seed:Q offset:Q first_row:q "
        "device_offset:P noise:P ld_noise:q denoised:P ld_denoised:q status:P"
    ),
    "scf_model_request": (
        "struct_size:I element_bytes:i m:q d:q x:P ldx:q output:P ld_output:q signal_scale:d "
        "sigma:d time:d step:q stream:P"
    ),
    "scf_sampler_params": (
        "struct_size:I method:i steps:q signal_scales:P sigmas:P times:P step_sizes:P drifts:P "
        "diffusions:P intervals:P predictor:i corrector_first:i corrector_steps:q rule:i "
        "variance:i snr:d eta:d clip:d temperature:d churn:d churn_min:d churn_max:d "
        "churn_noise:d denoise:i start:i form:i capturable:i model:P model_user:P kde:P "
        "base_bandwidth:d labels:P guidance:P guidance_user:P known:P ld_known:q seed:Q offset:Q "
        "first_row:q first_step:q stop_step:q previous:P trajectory:P trajectory_every:q "
        "progress:P progress_user:P progress_every:q"
    ),
    "scf_sampler_result": "struct_size:I status:I steps_done:q failed_step:q evaluations:q",
    "scf_field_request": (
        "struct_size:I element_bytes:i m:q d:q times:P signal_scales:P sigmas:P samples:P x:P "
        "ldx:q value:P ld_value:q divergence:P tangent:P ld_tangent:q jacobian_product:P "
        "ld_jacobian_product:q cotangent:P ld_cotangent:q vector_jacobian:P ld_vector_jacobian:q "
        "parameter_gradient:P stream:P"
    ),
    "scf_field": "struct_size:I kind:i function:P user:P sde:P kde:P base_bandwidth:d labels:P",
    "scf_ode_params": (
        "struct_size:I solver:i times:P n_times:q steps:q rtol:d atol:d first_step:d max_steps:q "
        "trace:i probe:i probes:q seed:Q offset:Q first_row:q states:P log_densities:P statuses:P "
        "steps_taken:P steps_refused:P progress:P progress_user:P"
    ),
    "scf_ode_result": "struct_size:I status:I failed:q first_failed:q calls:q evaluations:q",
    "scf_likelihood_params": (
        "struct_size:I prior:i prior_variance:d bin_width:d latents:P ld_latents:q"
    ),
    "scf_likelihood_result": (
        "struct_size:I reserved:I mean_log_density:d bits_per_dimension:d solution:scf_ode_result"
    ),
    "scf_adjoint_params": (
        "struct_size:I method:i checkpoint_every:q output_gradients:P parameter_gradient:P "
        "n_parameters:q log_bandwidth_gradient:P data_gradient:P ld_data_gradient:q"
    ),
    "scf_local_variance_params": (
        "struct_size:I method:i epsilon:d draws:q seed:Q offset:Q first_row:q"
    ),
}

# Structs that the library fills and hands to callbacks.
REQUESTS = ("scf_model_request", "scf_field_request")

# Functions of one name: result(arguments). Those that fill in a struct's defaults, scf_*_init, all
# take the struct and its size, and are added from STRUCTS.
FUNCTIONS = {
    "scf_version": "i()",
    "scf_version_string": "P()",
    "scf_status_name": "P(i)",
    "scf_last_error": "P()",
    "scf_set_last_error": "i(iP)",
    "scf_device_count": "i(iP)",
    "scf_device_describe": "i(iiP)",
    "scf_context_create": "i(PP)",
    "scf_context_destroy": "(P)",
    "scf_context_backend": "i(P)",
    "scf_context_device": "i(P)",
    "scf_context_threads": "i(P)",
    "scf_context_cpu_target": "P(P)",
    "scf_allocate": "i(PNPP)",
    "scf_free": "i(PPP)",
    "scf_copy": "i(PPPNiP)",
    "scf_stream_create": "i(PP)",
    "scf_stream_destroy": "i(PP)",
    "scf_stream_synchronize": "i(PP)",
    "scf_kde_destroy": "(P)",
    "scf_kde_size": "q(P)",
    "scf_kde_dimension": "q(P)",
    "scf_kde_evaluate_workspace": "i(PPqPPP)",
    "scf_kde_gradient_workspace": "i(PPqPPP)",
    "scf_kde_log_density_curve_workspace": "i(PPqPqP)",
    "scf_kde_laplace_workspace": "i(PPqPP)",
    "scf_random_bits": "i(PPqqPqP)",
    "scf_kde_draw_workspace": "i(PPqPP)",
    "scf_loss_workspace": "i(PPqqP)",
    "scf_divergence_workspace": "i(PqqqP)",
    "scf_schedule_geometric": "i(ddqP)",
    "scf_schedule_karras": "i(dddqP)",
    "scf_schedule_beta_linear": "i(ddqP)",
    "scf_schedule_beta_cosine": "i(ddqP)",
    "scf_schedule_alpha_bar": "i(PqP)",
    "scf_schedule_strided": "i(qqP)",
    "scf_sde_evaluate": "i(PPqP)",
    "scf_corrector_workspace": "i(PPqqP)",
    "scf_kde_moments": "i(PPiPPP)",
    "scf_sampler_schedule": "i(iPqdPPPPPPP)",
}

# Functions that come as _f32 and _f64: their arguments. All return a status.
TYPED_FUNCTIONS = {
    "scf_kde_create": "PPqqqPPP",
    "scf_kde_create_debiased": "PPqqqPdPP",
    "scf_kde_evaluate": "PPPqqPPPNP",
    "scf_kde_log_density_curve": "PPPqqPPqPqPNP",
    "scf_kde_laplace": "PPPqqPPPPNP",
    "scf_kde_gradient": "PPPqqPPPNP",
    "scf_random_uniform": "PPqqPqP",
    "scf_random_normal": "PPqqPqP",
    "scf_random_rademacher": "PPqqPqP",
    "scf_random_sphere": "PPqqdPqP",
    "scf_kde_draw": "PPPqPPqPPNP",
    "scf_dsm_perturb": "PPqqPqPqPqP",
    "scf_ssm_perturb": "PPqqPqP",
    "scf_fdssm_perturb": "PPqqPqPqPqP",
    "scf_fddsm_perturb": "PPqqPqPqPqP",
    "scf_esm_loss": "PPqqPqPqPPqPNP",
    "scf_ism_loss": "PPqqPqPPPqPPNP",
    "scf_dsm_loss": "PPqqPqPqPPqPNP",
    "scf_ssm_loss": "PPqqPqPqPPqPqPNP",
    "scf_fdssm_energy_loss": "PPqqPPPPPPPPNP",
    "scf_fdssm_score_loss": "PPqqPqPqPPqPqPNP",
    "scf_fddsm_loss": "PPqqPPPPPPNP",
    "scf_dde_loss": "PPqqPqPPqPNP",
    "scf_dde_direction": "PqqPqPqPqP",
    "scf_kde_loss": "PPPPPqqPPPP",
    "scf_kde_dde_direction": "PPPPPPqqPqP",
    "scf_kde_fit_bandwidth": "PPPPPqPP",
    "scf_fisher_divergence": "PPPPNP",
    "scf_kl_divergence": "PPPPNP",
    "scf_kls_divergence": "PPPPNP",
    "scf_f2_divergence": "PPPPNP",
    "scf_js_divergence": "PPPPPNP",
    "scf_jf_divergence": "PPPPPNP",
    "scf_local_variance": "PPPPNP",
    "scf_kde_divergence": "PPPPPPP",
    "scf_langevin_step": "PPqqPqPqPqP",
    "scf_denoise_step": "PPqqPqPqPqP",
    "scf_ancestral_step": "PPqqPqPqPqP",
    "scf_ddim_step": "PPqqPqPqPqP",
    "scf_reverse_diffusion_step": "PPqqPqPqPqP",
    "scf_euler_maruyama_step": "PPqqPqPqPqP",
    "scf_dpmpp_step": "PPqqPqPqPqPqP",
    "scf_heun_step": "PPqqPqPqPqPqP",
    "scf_churn_step": "PPqqPqPqP",
    "scf_known_step": "PPqqPqPqPqP",
    "scf_corrector_step": "PPqqPqPqPqPNP",
    "scf_convert_output": "PPqqPqPqiPqP",
    "scf_sample": "PPPqqqPP",
    "scf_ode_solve": "PPPPqqqPPP",
    "scf_ode_encode": "PPPPqqqPqPPP",
    "scf_ode_decode": "PPPPqqqPqPP",
    "scf_ode_log_likelihood": "PPPPPqqqPPP",
    "scf_ode_adjoint": "PPPPPqqqPqPP",
    "scf_ode_local_variance": "PPPPPqqqPPP",
}

# Callbacks, which a driver calls while the interpreter's lock is not held: ctypes takes it.
CALLBACKS = {
    "scf_model_fn": "i(PP)",
    "scf_field_fn": "i(PP)",
    "scf_sampler_progress_fn": "i(Pqq)",
    "scf_ode_progress_fn": "i(Pqq)",
    "scf_fit_progress_fn": "i(Pidd)",
}

_TYPES = {
    "i": ctypes.c_int32,
    "I": ctypes.c_uint32,
    "q": ctypes.c_int64,
    "Q": ctypes.c_uint64,
    "N": ctypes.c_size_t,
    "d": ctypes.c_double,
    "P": ctypes.c_void_p,
}


def _field_type(code, structs):
    if code.endswith("s"):
        return ctypes.c_char * int(code[:-1])
    return structs.get(code) or _TYPES[code]


def struct_types():
    """A ctypes.Structure for each of STRUCTS, by name. With slots, so that it has no attribute but
    its fields: a misspelt one would be kept beside them in silence.
    """
    structs = {}
    for name, fields in STRUCTS.items():
        pairs = [field.split(":") for field in fields.split()]
        described = [(field, _field_type(code, structs)) for field, code in pairs]
        structs[name] = type(name, (ctypes.Structure,), {"_fields_": described, "__slots__": ()})
    return structs


def _signature(text):
    result, arguments = text.rstrip(")").split("(")
    return _TYPES.get(result), [_TYPES[code] for code in arguments]


def signatures():
    """(name, result, argument types) of every function of the library."""
    for name, text in FUNCTIONS.items():
        result, arguments = _signature(text)
        # The only pointers that functions return are texts.
        yield name, ctypes.c_char_p if result is ctypes.c_void_p else result, arguments
    for name, text in TYPED_FUNCTIONS.items():
        for suffix in ("_f32", "_f64"):
            yield name + suffix, ctypes.c_int32, [_TYPES[code] for code in text]
    for name in STRUCTS:
        if name not in REQUESTS:
            yield name + "_init", ctypes.c_int32, [ctypes.c_void_p, ctypes.c_uint32]


def callback_type(name):
    result, arguments = _signature(CALLBACKS[name])
    return ctypes.CFUNCTYPE(result, *arguments)
