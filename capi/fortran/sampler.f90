! scorefield in Fortran: sampler.h, declared as it is: from noise to samples.
module scorefield_sampler
  use, intrinsic :: iso_c_binding
  use scorefield_core
  use scorefield_kde
  use scorefield_schedule
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_VARIANCE_SMALL = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_VARIANCE_LARGE = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_CORRECTOR_SIGMA = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_CORRECTOR_SAMPLE = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_CORRECTOR_BATCH = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_STEP_STATUS_BAD_LEVEL = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_STEP_STATUS_BAD_STEP_SIZE = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_STEP_STATUS_NOT_FINITE = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_SMLD = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_DDPM = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_DDIM = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_PC = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_EM = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_EDM = 5_c_int32_t
  integer(c_int32_t), parameter :: SCF_SAMPLER_DPMPP = 6_c_int32_t
  integer(c_int32_t), parameter :: SCF_PREDICTOR_NONE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_PREDICTOR_REVERSE_DIFFUSION = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_PREDICTOR_ANCESTRAL = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_PREDICTOR_EULER_MARUYAMA = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_START_GIVEN = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_START_PRIOR = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_START_MATCHED = 2_c_int32_t

  type, bind(C) :: scf_step_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: form
    real(c_double) :: signal_scale
    real(c_double) :: sigma
    real(c_double) :: next_signal_scale
    real(c_double) :: next_sigma
    type(c_ptr) :: signal_scales
    type(c_ptr) :: sigmas
    type(c_ptr) :: next_signal_scales
    type(c_ptr) :: next_sigmas
    real(c_double) :: clip
    real(c_double) :: temperature
    real(c_double) :: step_size
    type(c_ptr) :: step_sizes
    integer(c_int32_t) :: variance
    integer(c_int32_t) :: rule
    real(c_double) :: eta
    real(c_double) :: snr
    real(c_double) :: corrector_scale
    real(c_double) :: drift
    real(c_double) :: diffusion
    real(c_double) :: interval
    type(c_ptr) :: drifts
    type(c_ptr) :: diffusions
    type(c_ptr) :: intervals
    real(c_double) :: before_signal_scale
    real(c_double) :: before_sigma
    type(c_ptr) :: before_signal_scales
    type(c_ptr) :: before_sigmas
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
    type(c_ptr) :: device_offset
    type(c_ptr) :: noise
    integer(c_int64_t) :: ld_noise
    type(c_ptr) :: denoised
    integer(c_int64_t) :: ld_denoised
    type(c_ptr) :: status
  end type scf_step_params

  type, bind(C) :: scf_model_request
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: element_bytes
    integer(c_int64_t) :: m
    integer(c_int64_t) :: d
    type(c_ptr) :: x
    integer(c_int64_t) :: ldx
    type(c_ptr) :: output
    integer(c_int64_t) :: ld_output
    real(c_double) :: signal_scale
    real(c_double) :: sigma
    real(c_double) :: time
    integer(c_int64_t) :: step
    type(c_ptr) :: stream
  end type scf_model_request

  type, bind(C) :: scf_sampler_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: method
    integer(c_int64_t) :: steps
    type(c_ptr) :: signal_scales
    type(c_ptr) :: sigmas
    type(c_ptr) :: times
    type(c_ptr) :: step_sizes
    type(c_ptr) :: drifts
    type(c_ptr) :: diffusions
    type(c_ptr) :: intervals
    integer(c_int32_t) :: predictor
    integer(c_int32_t) :: corrector_first
    integer(c_int64_t) :: corrector_steps
    integer(c_int32_t) :: rule
    integer(c_int32_t) :: variance
    real(c_double) :: snr
    real(c_double) :: eta
    real(c_double) :: clip
    real(c_double) :: temperature
    real(c_double) :: churn
    real(c_double) :: churn_min
    real(c_double) :: churn_max
    real(c_double) :: churn_noise
    integer(c_int32_t) :: denoise
    integer(c_int32_t) :: start
    integer(c_int32_t) :: form
    integer(c_int32_t) :: capturable
    type(c_funptr) :: model
    type(c_ptr) :: model_user
    type(c_ptr) :: kde
    real(c_double) :: base_bandwidth
    type(c_ptr) :: labels
    type(c_funptr) :: guidance
    type(c_ptr) :: guidance_user
    type(c_ptr) :: known
    integer(c_int64_t) :: ld_known
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
    integer(c_int64_t) :: first_step
    integer(c_int64_t) :: stop_step
    type(c_ptr) :: previous
    type(c_ptr) :: trajectory
    integer(c_int64_t) :: trajectory_every
    type(c_funptr) :: progress
    type(c_ptr) :: progress_user
    integer(c_int64_t) :: progress_every
  end type scf_sampler_params

  type, bind(C) :: scf_sampler_result
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: status
    integer(c_int64_t) :: steps_done
    integer(c_int64_t) :: failed_step
    integer(c_int64_t) :: evaluations
  end type scf_sampler_result

  interface
    integer(c_int32_t) function scf_step_params_init(params, struct_size) bind(C)
      import
      type(scf_step_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_step_params_init

    integer(c_int32_t) function scf_langevin_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_langevin_step_f32

    integer(c_int32_t) function scf_langevin_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_langevin_step_f64

    integer(c_int32_t) function scf_denoise_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_denoise_step_f32

    integer(c_int32_t) function scf_denoise_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_denoise_step_f64

    integer(c_int32_t) function scf_ancestral_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_ancestral_step_f32

    integer(c_int32_t) function scf_ancestral_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_ancestral_step_f64

    integer(c_int32_t) function scf_ddim_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_ddim_step_f32

    integer(c_int32_t) function scf_ddim_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_ddim_step_f64

    integer(c_int32_t) function scf_reverse_diffusion_step_f32(context, params, m, d, x, ldx, &
      output, ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_reverse_diffusion_step_f32

    integer(c_int32_t) function scf_reverse_diffusion_step_f64(context, params, m, d, x, ldx, &
      output, ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_reverse_diffusion_step_f64

    integer(c_int32_t) function scf_euler_maruyama_step_f32(context, params, m, d, x, ldx, &
      output, ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_euler_maruyama_step_f32

    integer(c_int32_t) function scf_euler_maruyama_step_f64(context, params, m, d, x, ldx, &
      output, ld_output, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_euler_maruyama_step_f64

    integer(c_int32_t) function scf_dpmpp_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, previous, ld_previous, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: previous
      integer(c_int64_t), value :: ld_previous
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_dpmpp_step_f32

    integer(c_int32_t) function scf_dpmpp_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, previous, ld_previous, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: previous
      integer(c_int64_t), value :: ld_previous
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_dpmpp_step_f64

    integer(c_int32_t) function scf_heun_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, denoised, ld_denoised, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: denoised
      integer(c_int64_t), value :: ld_denoised
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_heun_step_f32

    integer(c_int32_t) function scf_heun_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, denoised, ld_denoised, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: denoised
      integer(c_int64_t), value :: ld_denoised
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_heun_step_f64

    integer(c_int32_t) function scf_churn_step_f32(context, params, m, d, x, ldx, next, ld_next, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_churn_step_f32

    integer(c_int32_t) function scf_churn_step_f64(context, params, m, d, x, ldx, next, ld_next, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_churn_step_f64

    integer(c_int32_t) function scf_known_step_f32(context, params, m, d, x, ldx, known, &
      ld_known, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: known
      integer(c_int64_t), value :: ld_known
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_known_step_f32

    integer(c_int32_t) function scf_known_step_f64(context, params, m, d, x, ldx, known, &
      ld_known, next, ld_next, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: known
      integer(c_int64_t), value :: ld_known
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: stream
    end function scf_known_step_f64

    integer(c_int32_t) function scf_corrector_workspace(context, params, m, d, bytes) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      integer(c_size_t), intent(out) :: bytes
    end function scf_corrector_workspace

    integer(c_int32_t) function scf_corrector_step_f32(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_corrector_step_f32

    integer(c_int32_t) function scf_corrector_step_f64(context, params, m, d, x, ldx, output, &
      ld_output, next, ld_next, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(c_ptr), value :: next
      integer(c_int64_t), value :: ld_next
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_corrector_step_f64

    integer(c_int32_t) function scf_convert_output_f32(context, params, m, d, x, ldx, output, &
      ld_output, form, converted, ld_converted, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      integer(c_int32_t), value :: form
      type(c_ptr), value :: converted
      integer(c_int64_t), value :: ld_converted
      type(c_ptr), value :: stream
    end function scf_convert_output_f32

    integer(c_int32_t) function scf_convert_output_f64(context, params, m, d, x, ldx, output, &
      ld_output, form, converted, ld_converted, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_step_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      integer(c_int32_t), value :: form
      type(c_ptr), value :: converted
      integer(c_int64_t), value :: ld_converted
      type(c_ptr), value :: stream
    end function scf_convert_output_f64

    integer(c_int32_t) function scf_kde_moments(context, kde, label, mean, variance, stream) &
      bind(C)
      import
      type(c_ptr), value :: context, kde
      integer(c_int32_t), value :: label
      type(c_ptr), value :: mean, variance, stream
    end function scf_kde_moments

    integer(c_int32_t) function scf_sampler_params_init(params, struct_size) bind(C)
      import
      type(scf_sampler_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_sampler_params_init

    integer(c_int32_t) function scf_sampler_result_init(result, struct_size) bind(C)
      import
      type(scf_sampler_result), intent(inout), optional :: result
      integer(c_int32_t), value :: struct_size
    end function scf_sampler_result_init

    integer(c_int32_t) function scf_sample_f32(context, params, x, m, d, ldx, result, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_sampler_params), intent(in), optional :: params
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(scf_sampler_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_sample_f32

    integer(c_int32_t) function scf_sample_f64(context, params, x, m, d, ldx, result, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_sampler_params), intent(in), optional :: params
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(scf_sampler_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_sample_f64

    integer(c_int32_t) function scf_sampler_schedule(method, sde, steps, step_size, &
      signal_scales, sigmas, times, step_sizes, drifts, diffusions, intervals) bind(C)
      import
      integer(c_int32_t), value :: method
      type(scf_sde_params), intent(in), optional :: sde
      integer(c_int64_t), value :: steps
      real(c_double), value :: step_size
      type(c_ptr), value :: signal_scales, sigmas, times, step_sizes, drifts, diffusions, &
        intervals
    end function scf_sampler_schedule
  end interface
end module scorefield_sampler
