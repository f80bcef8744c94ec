! scorefield in Fortran: random.h, declared as it is: numbers that are the same everywhere, and draws from a KDE.
module scorefield_random
  use, intrinsic :: iso_c_binding
  use scorefield_core
  use scorefield_kde
  implicit none
  public

  type, bind(C) :: scf_random_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: reserved
    integer(c_int64_t) :: seed
    integer(c_int64_t) :: offset
    integer(c_int64_t) :: first_row
    type(c_ptr) :: device_offset
  end type scf_random_params

  interface
    integer(c_int32_t) function scf_random_params_init(params, struct_size) bind(C)
      import
      type(scf_random_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_random_params_init

    integer(c_int32_t) function scf_random_bits(context, params, m, d, out, ld, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_bits

    integer(c_int32_t) function scf_random_uniform_f32(context, params, m, d, out, ld, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_uniform_f32

    integer(c_int32_t) function scf_random_uniform_f64(context, params, m, d, out, ld, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_uniform_f64

    integer(c_int32_t) function scf_random_normal_f32(context, params, m, d, out, ld, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_normal_f32

    integer(c_int32_t) function scf_random_normal_f64(context, params, m, d, out, ld, stream) &
      bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_normal_f64

    integer(c_int32_t) function scf_random_rademacher_f32(context, params, m, d, out, ld, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_rademacher_f32

    integer(c_int32_t) function scf_random_rademacher_f64(context, params, m, d, out, ld, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_rademacher_f64

    integer(c_int32_t) function scf_random_sphere_f32(context, params, m, d, radius, out, ld, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      real(c_double), value :: radius
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_sphere_f32

    integer(c_int32_t) function scf_random_sphere_f64(context, params, m, d, radius, out, ld, &
      stream) bind(C)
      import
      type(c_ptr), value :: context
      type(scf_random_params), intent(in), optional :: params
      integer(c_int64_t), value :: m, d
      real(c_double), value :: radius
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: stream
    end function scf_random_sphere_f64

    integer(c_int32_t) function scf_kde_draw_workspace(context, kde, m, query, bytes) bind(C)
      import
      type(c_ptr), value :: context, kde
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: query
      integer(c_size_t), intent(out) :: bytes
    end function scf_kde_draw_workspace

    integer(c_int32_t) function scf_kde_draw_f32(context, kde, random, m, query, out, ld, &
      indices, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde
      type(scf_random_params), intent(in), optional :: random
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: query
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: indices, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_draw_f32

    integer(c_int32_t) function scf_kde_draw_f64(context, kde, random, m, query, out, ld, &
      indices, workspace, workspace_bytes, stream) bind(C)
      import
      type(c_ptr), value :: context, kde
      type(scf_random_params), intent(in), optional :: random
      integer(c_int64_t), value :: m
      type(scf_kde_query_params), intent(in), optional :: query
      type(c_ptr), value :: out
      integer(c_int64_t), value :: ld
      type(c_ptr), value :: indices, workspace
      integer(c_size_t), value :: workspace_bytes
      type(c_ptr), value :: stream
    end function scf_kde_draw_f64
  end interface
end module scorefield_random
