! scorefield in Fortran: ode.h, declared as it is: flows, the log-densities that they carry, and their gradients.
module scorefield_ode
  use, intrinsic :: iso_c_binding
  use scorefield_core
  use scorefield_kde
  use scorefield_schedule
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_FIELD_FUNCTION = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_FIELD_SCORE = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_FIELD_KDE = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_EULER = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_HEUN = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_RK4 = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_DOPRI5 = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_TRACE_NONE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_TRACE_EXACT = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_TRACE_HUTCHINSON = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_STATUS_NOT_FINITE = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_STATUS_STEP_UNDERFLOW = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_ODE_STATUS_STEP_LIMIT = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_PRIOR_EXACT = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_PRIOR_MATCHED = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_PRIOR_GAUSSIAN = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_ADJOINT_DISCRETE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_ADJOINT_CONTINUOUS = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOCAL_VARIANCE_NOISE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOCAL_VARIANCE_JACOBIAN = 1_c_int32_t

  type, bind(C) :: scf_field_request
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: element_bytes
    integer(c_int64_t) :: m
    integer(c_int64_t) :: d
    type(c_ptr) :: times
    type(c_ptr) :: signal_scales
    type(c_ptr) :: sigmas
    type(c_ptr) :: samples
    type(c_ptr) :: x
    integer(c_int64_t) :: ldx
    type(c_ptr) :: value
    integer(c_int64_t) :: ld_value
    type(c_ptr) :: divergence
    type(c_ptr) :: tangent
    integer(c_int64_t) :: ld_tangent
    type(c_ptr) :: jacobian_product
    integer(c_int64_t) :: ld_jacobian_product
    type(c_ptr) :: cotangent
    integer(c_int64_t) :: ld_cotangent
    type(c_ptr) :: vector_jacobian
    integer(c_int64_t) :: ld_vector_jacobian
    type(c_ptr) :: parameter_gradient
    type(c_ptr) :: stream
  end type scf_field_request

  type, bind(C) :: scf_field
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: kind
    type(c_funptr) :: function
    type(c_ptr) :: user
    type(c_ptr) :: sde
    type(c_ptr) :: kde
    real(c_double) :: base_bandwidth
    type(c_ptr) :: labels
  end type scf_field

  type, bind(C) :: scf_ode_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: solver
    type(c_ptr) :: times
    integer(c_int64_t) :: n_times
    integer(c_int64_t) :: steps
    real(c_double) :: rtol
    real(c_double) :: atol
    real(c_double) :: first_step
    integer(c_int64_t) :: max_steps
    integer(c_int32_t) :: trace
    integer(c_int32_t) :: probe
    integer(c_int64_t) :: probes
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
    type(c_ptr) :: states
    type(c_ptr) :: log_densities
    type(c_ptr) :: statuses
    type(c_ptr) :: steps_taken
    type(c_ptr) :: steps_refused
    type(c_funptr) :: progress
    type(c_ptr) :: progress_user
  end type scf_ode_params

  type, bind(C) :: scf_ode_result
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: status
    integer(c_int64_t) :: failed
    integer(c_int64_t) :: first_failed
    integer(c_int64_t) :: calls
    integer(c_int64_t) :: evaluations
  end type scf_ode_result

  type, bind(C) :: scf_likelihood_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: prior
    real(c_double) :: prior_variance
    real(c_double) :: bin_width
    type(c_ptr) :: latents
    integer(c_int64_t) :: ld_latents
  end type scf_likelihood_params

  type, bind(C) :: scf_likelihood_result
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    real(c_double) :: mean_log_density
    real(c_double) :: bits_per_dimension
    type(scf_ode_result) :: solution
  end type scf_likelihood_result

  type, bind(C) :: scf_adjoint_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: method
    integer(c_int64_t) :: checkpoint_every
    type(c_ptr) :: output_gradients
    type(c_ptr) :: parameter_gradient
    integer(c_int64_t) :: n_parameters
    type(c_ptr) :: log_bandwidth_gradient
    type(c_ptr) :: data_gradient
    integer(c_int64_t) :: ld_data_gradient
  end type scf_adjoint_params

  type, bind(C) :: scf_local_variance_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: method
    real(c_double) :: epsilon
    integer(c_int64_t) :: draws
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
  end type scf_local_variance_params

  interface
    integer(c_int32_t) function scf_field_init(field, struct_size) bind(C)
      import
      type(scf_field), intent(inout), optional :: field
      integer(c_int32_t), value :: struct_size
    end function scf_field_init

    integer(c_int32_t) function scf_ode_params_init(params, struct_size) bind(C)
      import
      type(scf_ode_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_ode_params_init

    integer(c_int32_t) function scf_ode_result_init(result, struct_size) bind(C)
      import
      type(scf_ode_result), intent(inout), optional :: result
      integer(c_int32_t), value :: struct_size
    end function scf_ode_result_init

    integer(c_int32_t) function scf_ode_solve_f32(context, field, params, x, m, d, ldx, &
      log_density, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: log_density
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_solve_f32

    integer(c_int32_t) function scf_ode_solve_f64(context, field, params, x, m, d, ldx, &
      log_density, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: log_density
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_solve_f64

    integer(c_int32_t) function scf_ode_encode_f32(context, field, params, points, m, d, &
      ld_points, latents, ld_latents, round_trip, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(c_ptr), value :: points
      integer(c_int64_t), value :: m, d, ld_points
      type(c_ptr), value :: latents
      integer(c_int64_t), value :: ld_latents
      type(c_ptr), value :: round_trip
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_encode_f32

    integer(c_int32_t) function scf_ode_encode_f64(context, field, params, points, m, d, &
      ld_points, latents, ld_latents, round_trip, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(c_ptr), value :: points
      integer(c_int64_t), value :: m, d, ld_points
      type(c_ptr), value :: latents
      integer(c_int64_t), value :: ld_latents
      type(c_ptr), value :: round_trip
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_encode_f64

    integer(c_int32_t) function scf_ode_decode_f32(context, field, params, latents, m, d, &
      ld_latents, points, ld_points, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(c_ptr), value :: latents
      integer(c_int64_t), value :: m, d, ld_latents
      type(c_ptr), value :: points
      integer(c_int64_t), value :: ld_points
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_decode_f32

    integer(c_int32_t) function scf_ode_decode_f64(context, field, params, latents, m, d, &
      ld_latents, points, ld_points, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(c_ptr), value :: latents
      integer(c_int64_t), value :: m, d, ld_latents
      type(c_ptr), value :: points
      integer(c_int64_t), value :: ld_points
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_decode_f64

    integer(c_int32_t) function scf_likelihood_params_init(params, struct_size) bind(C)
      import
      type(scf_likelihood_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_likelihood_params_init

    integer(c_int32_t) function scf_likelihood_result_init(result, struct_size) bind(C)
      import
      type(scf_likelihood_result), intent(inout), optional :: result
      integer(c_int32_t), value :: struct_size
    end function scf_likelihood_result_init

    integer(c_int32_t) function scf_ode_log_likelihood_f32(context, field, params, likelihood, &
      x, m, d, ldx, log_density, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(scf_likelihood_params), intent(in), optional :: likelihood
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: log_density
      type(scf_likelihood_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_log_likelihood_f32

    integer(c_int32_t) function scf_ode_log_likelihood_f64(context, field, params, likelihood, &
      x, m, d, ldx, log_density, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(scf_likelihood_params), intent(in), optional :: likelihood
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: log_density
      type(scf_likelihood_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_log_likelihood_f64

    integer(c_int32_t) function scf_adjoint_params_init(params, struct_size) bind(C)
      import
      type(scf_adjoint_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_adjoint_params_init

    integer(c_int32_t) function scf_ode_adjoint_f32(context, field, params, adjoint, x, m, d, &
      ldx, gradient, ld_gradient, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(scf_adjoint_params), intent(in), optional :: adjoint
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: gradient
      integer(c_int64_t), value :: ld_gradient
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_adjoint_f32

    integer(c_int32_t) function scf_ode_adjoint_f64(context, field, params, adjoint, x, m, d, &
      ldx, gradient, ld_gradient, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(scf_adjoint_params), intent(in), optional :: adjoint
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: gradient
      integer(c_int64_t), value :: ld_gradient
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_adjoint_f64

    integer(c_int32_t) function scf_local_variance_params_init(params, struct_size) bind(C)
      import
      type(scf_local_variance_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_local_variance_params_init

    integer(c_int32_t) function scf_ode_local_variance_f32(context, field, params, of, x, m, d, &
      ldx, values, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(scf_local_variance_params), intent(in), optional :: of
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: values
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_local_variance_f32

    integer(c_int32_t) function scf_ode_local_variance_f64(context, field, params, of, x, m, d, &
      ldx, values, result, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_field), intent(in), optional :: field
      type(scf_ode_params), intent(in), optional :: params
      type(scf_local_variance_params), intent(in), optional :: of
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, d, ldx
      type(c_ptr), value :: values
      type(scf_ode_result), intent(inout), optional :: result
      type(c_ptr), value :: stream
    end function scf_ode_local_variance_f64
  end interface
end module scorefield_ode
