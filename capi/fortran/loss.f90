! scorefield in Fortran: loss.h, declared as it is: the losses of score matching.
module scorefield_loss
  use, intrinsic :: iso_c_binding
  use scorefield_core
  use scorefield_kde
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_FORM_SCORE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_FORM_EPSILON = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_FORM_X0 = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_FORM_V = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_WEIGHTING_NONE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_WEIGHTING_SIGMA = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_WEIGHTING_ARRAY = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_PROBE_RADEMACHER = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_PROBE_GAUSSIAN = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_PROBE_SPHERE = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_STATUS_NOT_FINITE = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_STATUS_NO_SAMPLE = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_STATUS_BAD_SIGMA = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_STATUS_BAD_SIGNAL_SCALE = 8_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_STATUS_BAD_WEIGHT = 16_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_ESM = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_ISM = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_DSM = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_SSM = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_FDSSM = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_FDSSM_SCORE = 5_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_FDDSM = 6_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_DDE = 7_c_int32_t
  integer(c_int32_t), parameter :: SCF_LOSS_LIKELIHOOD = 8_c_int32_t

  type, bind(C) :: scf_loss_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: form
    integer(c_int32_t) :: weighting
    integer(c_int32_t) :: probe
    real(c_double) :: weighting_exponent
    type(c_ptr) :: weights
    real(c_double) :: sigma
    real(c_double) :: signal_scale
    type(c_ptr) :: sigmas
    type(c_ptr) :: signal_scales
    real(c_double) :: epsilon
    integer(c_int64_t) :: projections
    integer(c_int32_t) :: variance_reduced
    integer(c_int32_t) :: per_dimension
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
    type(c_ptr) :: device_offset
    type(c_ptr) :: noise
    integer(c_int64_t) :: ld_noise
    type(c_ptr) :: probes
    integer(c_int64_t) :: ld_probes
    type(c_ptr) :: mask
    real(c_double) :: gradient_scale
    type(c_ptr) :: status
  end type scf_loss_params

  type, bind(C) :: scf_loss_outputs
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    type(c_ptr) :: values
    type(c_ptr) :: mean
    type(c_ptr) :: standard_error
  end type scf_loss_outputs

  type, bind(C) :: scf_kde_loss_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: loss
    type(c_ptr) :: data_kde
    type(c_ptr) :: data_query
  end type scf_kde_loss_params

  type, bind(C) :: scf_bandwidth_fit
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: evaluations
    real(c_double) :: least
    real(c_double) :: most
    real(c_double) :: tolerance
    integer(c_int32_t) :: max_evaluations
    integer(c_int32_t) :: at_edge
    real(c_double) :: bandwidth
    real(c_double) :: loss
    type(c_funptr) :: progress
    type(c_ptr) :: progress_user
  end type scf_bandwidth_fit

  interface
    integer(c_int32_t) function scf_loss_params_init(params, struct_size) bind(C)
      import
      type(scf_loss_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_loss_params_init

    integer(c_int32_t) function scf_loss_outputs_init(outputs, struct_size) bind(C)
      import
      type(scf_loss_outputs), intent(inout), optional :: outputs
      integer(c_int32_t), value :: struct_size
    end function scf_loss_outputs_init

    integer(c_int32_t) function scf_loss_workspace(context, params, m, d, bytes) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      integer(c_size_t), intent(out) :: bytes
    end function scf_loss_workspace

    integer(c_int32_t) function scf_dsm_perturb_f32(context, params, m, d, x, ldx, perturbed, &
      ld_perturbed, target, ld_target, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: perturbed
      integer(c_int64_t), value :: ld_perturbed
      type(c_ptr), value :: target
      integer(c_int64_t), value :: ld_target
      type(c_ptr), value :: stream
    end function scf_dsm_perturb_f32

    integer(c_int32_t) function scf_dsm_perturb_f64(context, params, m, d, x, ldx, perturbed, &
      ld_perturbed, target, ld_target, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: perturbed
      integer(c_int64_t), value :: ld_perturbed
      type(c_ptr), value :: target
      integer(c_int64_t), value :: ld_target
      type(c_ptr), value :: stream
    end function scf_dsm_perturb_f64

    integer(c_int32_t) function scf_ssm_perturb_f32(context, params, m, d, probes, ld_probes, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: probes
      integer(c_int64_t), value :: ld_probes
      type(c_ptr), value :: stream
    end function scf_ssm_perturb_f32

    integer(c_int32_t) function scf_ssm_perturb_f64(context, params, m, d, probes, ld_probes, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: probes
      integer(c_int64_t), value :: ld_probes
      type(c_ptr), value :: stream
    end function scf_ssm_perturb_f64

    integer(c_int32_t) function scf_fdssm_perturb_f32(context, params, m, d, x, ldx, plus, &
      ld_plus, minus, ld_minus, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: plus
      integer(c_int64_t), value :: ld_plus
      type(c_ptr), value :: minus
      integer(c_int64_t), value :: ld_minus
      type(c_ptr), value :: stream
    end function scf_fdssm_perturb_f32

    integer(c_int32_t) function scf_fdssm_perturb_f64(context, params, m, d, x, ldx, plus, &
      ld_plus, minus, ld_minus, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: plus
      integer(c_int64_t), value :: ld_plus
      type(c_ptr), value :: minus
      integer(c_int64_t), value :: ld_minus
      type(c_ptr), value :: stream
    end function scf_fdssm_perturb_f64

    integer(c_int32_t) function scf_fddsm_perturb_f32(context, params, m, d, x, ldx, plus, &
      ld_plus, minus, ld_minus, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: plus
      integer(c_int64_t), value :: ld_plus
      type(c_ptr), value :: minus
      integer(c_int64_t), value :: ld_minus
      type(c_ptr), value :: stream
    end function scf_fddsm_perturb_f32

    integer(c_int32_t) function scf_fddsm_perturb_f64(context, params, m, d, x, ldx, plus, &
      ld_plus, minus, ld_minus, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: plus
      integer(c_int64_t), value :: ld_plus
      type(c_ptr), value :: minus
      integer(c_int64_t), value :: ld_minus
      type(c_ptr), value :: stream
    end function scf_fddsm_perturb_f64

    integer(c_int32_t) function scf_esm_loss_f32(context, params, m, d, score, ld_score, &
      data_score, ld_data_score, outputs, score_gradient, ld_score_gradient, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(c_ptr), value :: data_score
      integer(c_int64_t), value :: ld_data_score
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_esm_loss_f32

    integer(c_int32_t) function scf_esm_loss_f64(context, params, m, d, score, ld_score, &
      data_score, ld_data_score, outputs, score_gradient, ld_score_gradient, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(c_ptr), value :: data_score
      integer(c_int64_t), value :: ld_data_score
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_esm_loss_f64

    integer(c_int32_t) function scf_ism_loss_f32(context, params, m, d, score, ld_score, &
      divergence, outputs, score_gradient, ld_score_gradient, divergence_gradient, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(c_ptr), value :: divergence
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: divergence_gradient, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_ism_loss_f32

    integer(c_int32_t) function scf_ism_loss_f64(context, params, m, d, score, ld_score, &
      divergence, outputs, score_gradient, ld_score_gradient, divergence_gradient, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(c_ptr), value :: divergence
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: divergence_gradient, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_ism_loss_f64

    integer(c_int32_t) function scf_dsm_loss_f32(context, params, m, d, x, ldx, output, &
      ld_output, outputs, output_gradient, ld_output_gradient, workspace, workspace_bytes, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: output_gradient
      integer(c_int64_t), value :: ld_output_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_dsm_loss_f32

    integer(c_int32_t) function scf_dsm_loss_f64(context, params, m, d, x, ldx, output, &
      ld_output, outputs, output_gradient, ld_output_gradient, workspace, workspace_bytes, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: x
      integer(c_int64_t), value :: ldx
      type(c_ptr), value :: output
      integer(c_int64_t), value :: ld_output
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: output_gradient
      integer(c_int64_t), value :: ld_output_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_dsm_loss_f64

    integer(c_int32_t) function scf_ssm_loss_f32(context, params, m, d, score, ld_score, &
      products, ld_products, outputs, score_gradient, ld_score_gradient, products_gradient, &
      ld_products_gradient, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(c_ptr), value :: products
      integer(c_int64_t), value :: ld_products
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: products_gradient
      integer(c_int64_t), value :: ld_products_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_ssm_loss_f32

    integer(c_int32_t) function scf_ssm_loss_f64(context, params, m, d, score, ld_score, &
      products, ld_products, outputs, score_gradient, ld_score_gradient, products_gradient, &
      ld_products_gradient, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(c_ptr), value :: products
      integer(c_int64_t), value :: ld_products
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: products_gradient
      integer(c_int64_t), value :: ld_products_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_ssm_loss_f64

    integer(c_int32_t) function scf_fdssm_energy_loss_f32(context, params, m, d, energy, &
      energy_plus, energy_minus, outputs, energy_gradient, energy_plus_gradient, &
      energy_minus_gradient, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: energy, energy_plus, energy_minus
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: energy_gradient, energy_plus_gradient, energy_minus_gradient, &
        workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fdssm_energy_loss_f32

    integer(c_int32_t) function scf_fdssm_energy_loss_f64(context, params, m, d, energy, &
      energy_plus, energy_minus, outputs, energy_gradient, energy_plus_gradient, &
      energy_minus_gradient, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: energy, energy_plus, energy_minus
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: energy_gradient, energy_plus_gradient, energy_minus_gradient, &
        workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fdssm_energy_loss_f64

    integer(c_int32_t) function scf_fdssm_score_loss_f32(context, params, m, d, score_plus, &
      ld_score_plus, score_minus, ld_score_minus, outputs, score_plus_gradient, &
      ld_score_plus_gradient, score_minus_gradient, ld_score_minus_gradient, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score_plus
      integer(c_int64_t), value :: ld_score_plus
      type(c_ptr), value :: score_minus
      integer(c_int64_t), value :: ld_score_minus
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_plus_gradient
      integer(c_int64_t), value :: ld_score_plus_gradient
      type(c_ptr), value :: score_minus_gradient
      integer(c_int64_t), value :: ld_score_minus_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fdssm_score_loss_f32

    integer(c_int32_t) function scf_fdssm_score_loss_f64(context, params, m, d, score_plus, &
      ld_score_plus, score_minus, ld_score_minus, outputs, score_plus_gradient, &
      ld_score_plus_gradient, score_minus_gradient, ld_score_minus_gradient, workspace, &
      workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score_plus
      integer(c_int64_t), value :: ld_score_plus
      type(c_ptr), value :: score_minus
      integer(c_int64_t), value :: ld_score_minus
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_plus_gradient
      integer(c_int64_t), value :: ld_score_plus_gradient
      type(c_ptr), value :: score_minus_gradient
      integer(c_int64_t), value :: ld_score_minus_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fdssm_score_loss_f64

    integer(c_int32_t) function scf_fddsm_loss_f32(context, params, m, d, log_density_plus, &
      log_density_minus, outputs, log_density_plus_gradient, log_density_minus_gradient, &
      workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: log_density_plus, log_density_minus
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: log_density_plus_gradient, log_density_minus_gradient, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fddsm_loss_f32

    integer(c_int32_t) function scf_fddsm_loss_f64(context, params, m, d, log_density_plus, &
      log_density_minus, outputs, log_density_plus_gradient, log_density_minus_gradient, &
      workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: log_density_plus, log_density_minus
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: log_density_plus_gradient, log_density_minus_gradient, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_fddsm_loss_f64

    integer(c_int32_t) function scf_dde_loss_f32(context, params, m, d, score, ld_score, &
      outputs, score_gradient, ld_score_gradient, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_dde_loss_f32

    integer(c_int32_t) function scf_dde_loss_f64(context, params, m, d, score, ld_score, &
      outputs, score_gradient, ld_score_gradient, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_loss_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: score
      integer(c_int64_t), value :: ld_score
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: score_gradient
      integer(c_int64_t), value :: ld_score_gradient
      type(c_ptr), value :: workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_dde_loss_f64

    integer(c_int32_t) function scf_dde_direction_f32(context, m, d, generator_score, &
      ld_generator_score, data_score, ld_data_score, direction, ld_direction, stream) bind(C)
      import
      type(c_ptr), value :: context
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: generator_score
      integer(c_int64_t), value :: ld_generator_score
      type(c_ptr), value :: data_score
      integer(c_int64_t), value :: ld_data_score
      type(c_ptr), value :: direction
      integer(c_int64_t), value :: ld_direction
      type(c_ptr), value :: stream
    end function scf_dde_direction_f32

    integer(c_int32_t) function scf_dde_direction_f64(context, m, d, generator_score, &
      ld_generator_score, data_score, ld_data_score, direction, ld_direction, stream) bind(C)
      import
      type(c_ptr), value :: context
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: generator_score
      integer(c_int64_t), value :: ld_generator_score
      type(c_ptr), value :: data_score
      integer(c_int64_t), value :: ld_data_score
      type(c_ptr), value :: direction
      integer(c_int64_t), value :: ld_direction
      type(c_ptr), value :: stream
    end function scf_dde_direction_f64

    integer(c_int32_t) function scf_kde_loss_params_init(params, struct_size) bind(C)
      import
      type(scf_kde_loss_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_kde_loss_params_init

    integer(c_int32_t) function scf_kde_loss_f32(context, kde, loss, params, x, m, ldx, query, &
      outputs, log_bandwidth_gradient, stream) bind(C)
      import
      type(c_ptr), value :: context, kde
      type(scf_kde_loss_params), intent(in), optional :: loss
      type(scf_loss_params), intent(in), optional :: params
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: query
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: log_bandwidth_gradient, stream
    end function scf_kde_loss_f32

    integer(c_int32_t) function scf_kde_loss_f64(context, kde, loss, params, x, m, ldx, query, &
      outputs, log_bandwidth_gradient, stream) bind(C)
      import
      type(c_ptr), value :: context, kde
      type(scf_kde_loss_params), intent(in), optional :: loss
      type(scf_loss_params), intent(in), optional :: params
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, ldx
      type(scf_kde_query_params), intent(in), optional :: query
      type(scf_loss_outputs), intent(in), optional :: outputs
      type(c_ptr), value :: log_bandwidth_gradient, stream
    end function scf_kde_loss_f64

    integer(c_int32_t) function scf_kde_dde_direction_f32(context, generator, generator_query, &
      data, data_query, x, m, ldx, direction, ld_direction, stream) bind(C)
      import
      type(c_ptr), value :: context, generator
      type(scf_kde_query_params), intent(in), optional :: generator_query
      type(c_ptr), value :: data
      type(scf_kde_query_params), intent(in), optional :: data_query
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, ldx
      type(c_ptr), value :: direction
      integer(c_int64_t), value :: ld_direction
      type(c_ptr), value :: stream
    end function scf_kde_dde_direction_f32

    integer(c_int32_t) function scf_kde_dde_direction_f64(context, generator, generator_query, &
      data, data_query, x, m, ldx, direction, ld_direction, stream) bind(C)
      import
      type(c_ptr), value :: context, generator
      type(scf_kde_query_params), intent(in), optional :: generator_query
      type(c_ptr), value :: data
      type(scf_kde_query_params), intent(in), optional :: data_query
      type(c_ptr), value :: x
      integer(c_int64_t), value :: m, ldx
      type(c_ptr), value :: direction
      integer(c_int64_t), value :: ld_direction
      type(c_ptr), value :: stream
    end function scf_kde_dde_direction_f64

    integer(c_int32_t) function scf_bandwidth_fit_init(fit, struct_size) bind(C)
      import
      type(scf_bandwidth_fit), intent(inout), optional :: fit
      integer(c_int32_t), value :: struct_size
    end function scf_bandwidth_fit_init

    integer(c_int32_t) function scf_kde_fit_bandwidth_f32(context, kde, loss, params, data, ld, &
      fit, stream) bind(C)
      import
      type(c_ptr), value :: context, kde
      type(scf_kde_loss_params), intent(in), optional :: loss
      type(scf_loss_params), intent(in), optional :: params
      type(c_ptr), value :: data
      integer(c_int64_t), value :: ld
      type(scf_bandwidth_fit), intent(inout), optional :: fit
      type(c_ptr), value :: stream
    end function scf_kde_fit_bandwidth_f32

    integer(c_int32_t) function scf_kde_fit_bandwidth_f64(context, kde, loss, params, data, ld, &
      fit, stream) bind(C)
      import
      type(c_ptr), value :: context, kde
      type(scf_kde_loss_params), intent(in), optional :: loss
      type(scf_loss_params), intent(in), optional :: params
      type(c_ptr), value :: data
      integer(c_int64_t), value :: ld
      type(scf_bandwidth_fit), intent(inout), optional :: fit
      type(c_ptr), value :: stream
    end function scf_kde_fit_bandwidth_f64
  end interface
end module scorefield_loss
