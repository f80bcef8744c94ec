! scorefield in Fortran: divergence.h, declared as it is: how far a model is from data.
module scorefield_divergence
  use, intrinsic :: iso_c_binding
  use scorefield_core
  use scorefield_kde
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_DIVERGENCE_STATUS_NOT_FINITE = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_STATUS_NO_POINT = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_FISHER = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_KL = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_KLS = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_F2 = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_JS = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_JF = 5_c_int32_t
  integer(c_int32_t), parameter :: SCF_DIVERGENCE_LOCAL_VARIANCE = 6_c_int32_t

  type, bind(C) :: scf_divergence_points
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    integer(c_int64_t) :: m
    integer(c_int64_t) :: d
    type(c_ptr) :: log_p
    type(c_ptr) :: log_q
    type(c_ptr) :: score_p
    integer(c_int64_t) :: ld_score_p
    type(c_ptr) :: score_q
    integer(c_int64_t) :: ld_score_q
    type(c_ptr) :: integrand
    integer(c_int64_t) :: ld_integrand
    type(c_ptr) :: log_q_gradient
    type(c_ptr) :: score_q_gradient
    integer(c_int64_t) :: ld_score_q_gradient
  end type scf_divergence_points

  type, bind(C) :: scf_divergence_outputs
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    type(c_ptr) :: value
    type(c_ptr) :: standard_error
    type(c_ptr) :: cotangent
    real(c_double) :: gradient_scale
    type(c_ptr) :: status
  end type scf_divergence_outputs

  type, bind(C) :: scf_local_variance_points
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    integer(c_int64_t) :: m
    integer(c_int64_t) :: d
    integer(c_int64_t) :: c
    type(c_ptr) :: displacement
    integer(c_int64_t) :: ld_displacement
    type(c_ptr) :: f
    integer(c_int64_t) :: ld_f
    type(c_ptr) :: f_displaced
    integer(c_int64_t) :: ld_f_displaced
    type(c_ptr) :: integrand
    type(c_ptr) :: f_gradient
    integer(c_int64_t) :: ld_f_gradient
    type(c_ptr) :: f_displaced_gradient
    integer(c_int64_t) :: ld_f_displaced_gradient
  end type scf_local_variance_points

  type, bind(C) :: scf_kde_divergence_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: divergence
    type(c_ptr) :: p
    type(c_ptr) :: q
    type(c_ptr) :: p_query
    type(c_ptr) :: q_query
    type(c_ptr) :: x
    integer(c_int64_t) :: m
    integer(c_int64_t) :: ldx
    type(c_ptr) :: y
    integer(c_int64_t) :: n
    integer(c_int64_t) :: ldy
    real(c_double) :: epsilon
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
    type(c_ptr) :: device_offset
    type(c_ptr) :: noise
    integer(c_int64_t) :: ld_noise
  end type scf_kde_divergence_params

  interface
    integer(c_int32_t) function scf_divergence_points_init(points, struct_size) bind(C)
      import
      type(scf_divergence_points), intent(inout), optional :: points
      integer(c_int32_t), value :: struct_size
    end function scf_divergence_points_init

    integer(c_int32_t) function scf_divergence_outputs_init(outputs, struct_size) bind(C)
      import
      type(scf_divergence_outputs), intent(inout), optional :: outputs
      integer(c_int32_t), value :: struct_size
    end function scf_divergence_outputs_init

    integer(c_int32_t) function scf_divergence_workspace(context, m, n, d, bytes) bind(C)
      import
      type(c_ptr), value :: context
      integer(c_int64_t), value :: m, n, d
      integer(c_size_t), intent(out) :: bytes
    end function scf_divergence_workspace

    integer(c_int32_t) function scf_fisher_divergence_f32(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fisher_divergence_f32

    integer(c_int32_t) function scf_fisher_divergence_f64(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fisher_divergence_f64

    integer(c_int32_t) function scf_kl_divergence_f32(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kl_divergence_f32

    integer(c_int32_t) function scf_kl_divergence_f64(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kl_divergence_f64

    integer(c_int32_t) function scf_kls_divergence_f32(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kls_divergence_f32

    integer(c_int32_t) function scf_kls_divergence_f64(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kls_divergence_f64

    integer(c_int32_t) function scf_f2_divergence_f32(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_f2_divergence_f32

    integer(c_int32_t) function scf_f2_divergence_f64(context, p, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_f2_divergence_f64

    integer(c_int32_t) function scf_js_divergence_f32(context, p, q, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p, q
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_js_divergence_f32

    integer(c_int32_t) function scf_js_divergence_f64(context, p, q, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p, q
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_js_divergence_f64

    integer(c_int32_t) function scf_jf_divergence_f32(context, p, q, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p, q
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_jf_divergence_f32

    integer(c_int32_t) function scf_jf_divergence_f64(context, p, q, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_divergence_points), intent(in), optional :: p, q
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_jf_divergence_f64

    integer(c_int32_t) function scf_local_variance_points_init(points, struct_size) bind(C)
      import
      type(scf_local_variance_points), intent(inout), optional :: points
      integer(c_int32_t), value :: struct_size
    end function scf_local_variance_points_init

    integer(c_int32_t) function scf_local_variance_f32(context, points, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_local_variance_points), intent(in), optional :: points
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_local_variance_f32

    integer(c_int32_t) function scf_local_variance_f64(context, points, outputs, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_local_variance_points), intent(in), optional :: points
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_local_variance_f64

    integer(c_int32_t) function scf_kde_divergence_params_init(params, struct_size) bind(C)
      import
      type(scf_kde_divergence_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_kde_divergence_params_init

    integer(c_int32_t) function scf_kde_divergence_f32(context, params, outputs, x_integrand, &
      y_integrand, log_bandwidth_gradient, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_kde_divergence_params), intent(in), optional :: params
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: x_integrand, y_integrand, log_bandwidth_gradient, stream
    end function scf_kde_divergence_f32

    integer(c_int32_t) function scf_kde_divergence_f64(context, params, outputs, x_integrand, &
      y_integrand, log_bandwidth_gradient, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_kde_divergence_params), intent(in), optional :: params
      type(scf_divergence_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: x_integrand, y_integrand, log_bandwidth_gradient, stream
    end function scf_kde_divergence_f64
  end interface
end module scorefield_divergence
