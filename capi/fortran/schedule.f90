! scorefield in Fortran: schedule.h, declared as it is: noise levels and the coefficients of the diffusions.
module scorefield_schedule
  use, intrinsic :: iso_c_binding
  use scorefield_core
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_SDE_VE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_SDE_VP = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_SDE_SUBVP = 2_c_int32_t

  type, bind(C) :: scf_sde_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: kind
    real(c_double) :: sigma_min
    real(c_double) :: sigma_max
    real(c_double) :: beta_min
    real(c_double) :: beta_max
  end type scf_sde_params

  type, bind(C) :: scf_sde_coefficients
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    type(c_ptr) :: signal_scale
    type(c_ptr) :: sigma
    type(c_ptr) :: drift
    type(c_ptr) :: diffusion
  end type scf_sde_coefficients

  interface
    integer(c_int32_t) function scf_schedule_geometric(first, last, n, levels) bind(C)
      import
      real(c_double), value :: first, last
      integer(c_int64_t), value :: n
      type(c_ptr), value :: levels
    end function scf_schedule_geometric

    integer(c_int32_t) function scf_schedule_karras(sigma_max, sigma_min, rho, n, levels) &
      bind(C)
      import
      real(c_double), value :: sigma_max, sigma_min, rho
      integer(c_int64_t), value :: n
      type(c_ptr), value :: levels
    end function scf_schedule_karras

    integer(c_int32_t) function scf_schedule_beta_linear(first, last, n, betas) bind(C)
      import
      real(c_double), value :: first, last
      integer(c_int64_t), value :: n
      type(c_ptr), value :: betas
    end function scf_schedule_beta_linear

    integer(c_int32_t) function scf_schedule_beta_cosine(shift, most, n, betas) bind(C)
      import
      real(c_double), value :: shift, most
      integer(c_int64_t), value :: n
      type(c_ptr), value :: betas
    end function scf_schedule_beta_cosine

    integer(c_int32_t) function scf_schedule_alpha_bar(betas, n, alpha_bars) bind(C)
      import
      type(c_ptr), value :: betas
      integer(c_int64_t), value :: n
      type(c_ptr), value :: alpha_bars
    end function scf_schedule_alpha_bar

    integer(c_int32_t) function scf_schedule_strided(n, steps, times) bind(C)
      import
      integer(c_int64_t), value :: n, steps
      type(c_ptr), value :: times
    end function scf_schedule_strided

    integer(c_int32_t) function scf_sde_params_init(params, struct_size) bind(C)
      import
      type(scf_sde_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_sde_params_init

    integer(c_int32_t) function scf_sde_coefficients_init(coefficients, struct_size) bind(C)
      import
      type(scf_sde_coefficients), intent(inout), optional :: coefficients
      integer(c_int32_t), value :: struct_size
    end function scf_sde_coefficients_init

    integer(c_int32_t) function scf_sde_evaluate(params, t, n, coefficients) bind(C)
      import
      type(scf_sde_params), intent(in), optional :: params
      type(c_ptr), value :: t
      integer(c_int64_t), value :: n
      type(scf_sde_coefficients), intent(in), optional :: coefficients
    end function scf_sde_evaluate
  end interface
end module scorefield_schedule
