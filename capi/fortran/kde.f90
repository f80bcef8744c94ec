! scorefield in Fortran: kde.h, declared as it is: the score of data.
module scorefield_kde
  use, intrinsic :: iso_c_binding
  use scorefield_core
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_KDE_ANY_LABEL = -2147483647_c_int32_t - 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_MAX_TOP = 64_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_STATUS_BAD_BANDWIDTH = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_STATUS_BAD_SIGNAL_SCALE = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_STATUS_BAD_SKIP = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_STATUS_BAD_LABEL = 8_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_STATUS_NO_WEIGHT = 16_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_STATUS_BAD_QUERY = 32_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_METHOD_DENSE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_METHOD_BOXES = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_METHOD_SCREEN = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_KDE_METHOD_EXPANSION = 3_c_int32_t

  type, bind(C) :: scf_kde_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    type(c_ptr) :: weights
    type(c_ptr) :: labels
    integer(c_int32_t) :: index
    integer(c_int32_t) :: reserved_index
  end type scf_kde_params

  type, bind(C) :: scf_kde_query_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: top
    real(c_double) :: bandwidth
    real(c_double) :: signal_scale
    type(c_ptr) :: bandwidths
    type(c_ptr) :: signal_scales
    type(c_ptr) :: skip
    type(c_ptr) :: labels
    type(c_ptr) :: tangent
    integer(c_int64_t) :: ld_tangent
    type(c_ptr) :: status
    real(c_double) :: tolerance
  end type scf_kde_query_params

  type, bind(C) :: scf_kde_outputs
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    type(c_ptr) :: log_density
    type(c_ptr) :: score
    integer(c_int64_t) :: ld_score
    type(c_ptr) :: denoised
    integer(c_int64_t) :: ld_denoised
    type(c_ptr) :: divergence
    type(c_ptr) :: jacobian_product
    integer(c_int64_t) :: ld_jacobian_product
    type(c_ptr) :: quadratic_form
    type(c_ptr) :: effective_sample_size
    type(c_ptr) :: top_indices
    type(c_ptr) :: top_weights
    type(c_ptr) :: evaluated
    type(c_ptr) :: method
  end type scf_kde_outputs

  type, bind(C) :: scf_kde_gradients
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    type(c_ptr) :: log_density_weights
    type(c_ptr) :: score_weights
    integer(c_int64_t) :: ld_score_weights
    type(c_ptr) :: data
    integer(c_int64_t) :: ld_data
    type(c_ptr) :: log_weights
    type(c_ptr) :: log_bandwidths
    type(c_ptr) :: divergence_weights
    type(c_ptr) :: quadratic_form_weights
  end type scf_kde_gradients

  interface
    integer(c_int32_t) function scf_kde_params_init(params, struct_size) bind(C)
      import
      type(scf_kde_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_kde_params_init

    integer(c_int32_t) function scf_kde_create_f32(context, data, n, d, ld, params, stream, kde) &
      bind(C)
      import
      type(c_ptr), value :: context, data
      integer(c_int64_t), value :: n, d, ld
      type(scf_kde_params), intent(in), optional :: params
      type(c_ptr), value :: stream
      type(c_ptr), intent(out) :: kde
    end function scf_kde_create_f32

    integer(c_int32_t) function scf_kde_create_f64(context, data, n, d, ld, params, stream, kde) &
      bind(C)
      import
      type(c_ptr), value :: context, data
      integer(c_int64_t), value :: n, d, ld
      type(scf_kde_params), intent(in), optional :: params
      type(c_ptr), value :: stream
      type(c_ptr), intent(out) :: kde
    end function scf_kde_create_f64

    subroutine scf_kde_destroy(kde) bind(C)
      import
      type(c_ptr), value :: kde
    end subroutine scf_kde_destroy

    integer(c_int64_t) function scf_kde_size(kde) bind(C)
      import
      type(c_ptr), value :: kde
    end function scf_kde_size

    integer(c_int64_t) function scf_kde_dimension(kde) bind(C)
      import
      type(c_ptr), value :: kde
    end function scf_kde_dimension

    integer(c_int32_t) function scf_kde_query_params_init(params, struct_size) bind(C)
      import
      type(scf_kde_query_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_kde_query_params_init

    integer(c_int32_t) function scf_kde_outputs_init(outputs, struct_size) bind(C)
      import
      type(scf_kde_outputs), intent(inout), optional :: outputs
      integer(c_int32_t), value :: struct_size
    end function scf_kde_outputs_init

    integer(c_int32_t) function scf_kde_evaluate_workspace(context, kde, m, params, outputs, &
      bytes) bind(C)
      import
      type(c_ptr), value :: context, kde
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: params
      type(scf_kde_outputs), intent(in), optional :: outputs
      integer(c_size_t), intent(out) :: bytes
    end function scf_kde_evaluate_workspace

    integer(c_int32_t) function scf_kde_evaluate_f32(context, kde, x, m, ldx, params, outputs, &
      workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(scf_kde_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_evaluate_f32

    integer(c_int32_t) function scf_kde_evaluate_f64(context, kde, x, m, ldx, params, outputs, &
      workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(scf_kde_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_evaluate_f64

    integer(c_int32_t) function scf_kde_gradients_init(gradients, struct_size) bind(C)
      import
      type(scf_kde_gradients), intent(inout), optional :: gradients
      integer(c_int32_t), value :: struct_size
    end function scf_kde_gradients_init

    integer(c_int32_t) function scf_kde_gradient_workspace(context, kde, m, params, gradients, &
      bytes) bind(C)
      import
      type(c_ptr), value :: context, kde
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: params
      type(scf_kde_gradients), intent(in), optional :: gradients
      integer(c_size_t), intent(out) :: bytes
    end function scf_kde_gradient_workspace

    integer(c_int32_t) function scf_kde_gradient_f32(context, kde, x, m, ldx, params, gradients, &
      workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(scf_kde_gradients), intent(in), optional :: gradients
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_gradient_f32

    integer(c_int32_t) function scf_kde_gradient_f64(context, kde, x, m, ldx, params, gradients, &
      workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(scf_kde_gradients), intent(in), optional :: gradients
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_gradient_f64

    integer(c_int32_t) function scf_kde_log_density_curve_workspace(context, kde, m, params, &
      count, bytes) bind(C)
      import
      type(c_ptr), value :: context, kde
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: params
      integer(c_int64_t), value :: count
      integer(c_size_t), intent(out) :: bytes
    end function scf_kde_log_density_curve_workspace

    integer(c_int32_t) function scf_kde_log_density_curve_f32(context, kde, x, m, ldx, params, &
      bandwidths, count, log_density, ld, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(c_ptr), value :: bandwidths
      integer(c_int64_t), value :: count
      type(c_ptr), value :: log_density
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_log_density_curve_f32

    integer(c_int32_t) function scf_kde_log_density_curve_f64(context, kde, x, m, ldx, params, &
      bandwidths, count, log_density, ld, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(c_ptr), value :: bandwidths
      integer(c_int64_t), value :: count
      type(c_ptr), value :: log_density
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_log_density_curve_f64

    integer(c_int32_t) function scf_kde_create_debiased_f32(context, data, n, d, ld, params, &
      bandwidth, stream, kde) bind(C)
      import
      type(c_ptr), value :: context, data
      integer(c_int64_t), value :: n, d, ld
      type(scf_kde_params), intent(in), optional :: params
      real(c_double), value :: bandwidth
      type(c_ptr), value :: stream
      type(c_ptr), intent(out) :: kde
    end function scf_kde_create_debiased_f32

    integer(c_int32_t) function scf_kde_create_debiased_f64(context, data, n, d, ld, params, &
      bandwidth, stream, kde) bind(C)
      import
      type(c_ptr), value :: context, data
      integer(c_int64_t), value :: n, d, ld
      type(scf_kde_params), intent(in), optional :: params
      real(c_double), value :: bandwidth
      type(c_ptr), value :: stream
      type(c_ptr), intent(out) :: kde
    end function scf_kde_create_debiased_f64

    integer(c_int32_t) function scf_kde_laplace_workspace(context, kde, m, params, bytes) &
      bind(C)
      import
      type(c_ptr), value :: context, kde
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: params
      integer(c_size_t), intent(out) :: bytes
    end function scf_kde_laplace_workspace

    integer(c_int32_t) function scf_kde_laplace_f32(context, kde, x, m, ldx, params, &
      log_magnitude, sign, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(c_ptr), value :: log_magnitude, sign, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_laplace_f32

    integer(c_int32_t) function scf_kde_laplace_f64(context, kde, x, m, ldx, params, &
      log_magnitude, sign, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde, x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: params
      type(c_ptr), value :: log_magnitude, sign, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_laplace_f64
  end interface
end module scorefield_kde
