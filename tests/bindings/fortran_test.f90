! The Fortran modules at work: shapes, statuses and messages, structs left out, callbacks. Stops with 1
! where something is not so.
module fortran_test_callbacks
  use, intrinsic :: iso_c_binding
  use scorefield
  implicit none

  integer :: steps_seen = 0

contains

  ! The score of N(0, I) at a level: -x/(1 + sigma^2).
  integer(c_int32_t) function normal_score(user, request) bind(C) result(status)
    type(c_ptr), value :: user
    type(scf_model_request), intent(in) :: request
    real(c_double), pointer :: x(:, :), output(:, :)
    status = SCF_ERROR_INTERNAL
    if (c_associated(user) .or. request%element_bytes /= 8) return
    call c_f_pointer(request%x, x, [request%ldx, request%m])
    call c_f_pointer(request%output, output, [request%ld_output, request%m])
    output(1:request%d, :) = -x(1:request%d, :)/(1 + request%sigma**2)
    status = SCF_SUCCESS
  end function normal_score

  integer(c_int32_t) function refusing_score(user, request) bind(C) result(status)
    type(c_ptr), value :: user
    type(scf_model_request), intent(in) :: request
    status = SCF_SUCCESS
    if (.not. c_associated(user) .and. request%m > 0) status = scf_fail(SCF_ERROR_CANCELLED, "enough")
  end function refusing_score

  integer(c_int32_t) function progress(user, step, steps) bind(C) result(stop_here)
    type(c_ptr), value :: user
    integer(c_int64_t), value :: step, steps
    stop_here = 0
    if (c_associated(user) .and. step == 2) stop_here = 1
    if (steps >= step) steps_seen = int(step)
  end function progress

end module fortran_test_callbacks

program fortran_test
  use, intrinsic :: iso_c_binding
  use scorefield
  use fortran_test_callbacks
  implicit none

  integer :: failures = 0
  type(c_ptr) :: context

  call expect(scf_text(scf_version_string()) == "0.1.0", "the version is read as text")
  call expect(scf_context_create(context=context) == SCF_SUCCESS, "params may be left out")
  call check_shapes()
  call check_messages()
  call check_sampler()
  call check_schedule()
  call scf_context_destroy(context)
  if (failures > 0) stop 1

contains

  subroutine expect(condition, what)
    logical, intent(in) :: condition
    character(*), intent(in) :: what
    if (condition) return
    failures = failures + 1
    print "(2a)", "not so: ", what
  end subroutine expect

  ! A point is a column, a leading dimension the first extent.
  subroutine check_shapes()
    real(c_double), target :: data(3, 2) = reshape([0d0, 0d0, 9d0, 4d0, 2d0, 9d0], [3, 2])
    real(c_double), target :: x(2, 1) = reshape([2d0, 1d0], [2, 1]), score(3, 1) = 7
    type(scf_kde_query_params) :: query
    type(scf_kde_outputs) :: outputs
    type(c_ptr) :: kde, workspace
    integer(c_size_t) :: bytes
    integer(c_int32_t) :: status

    status = scf_kde_create_f64(context, c_loc(data), 2_c_int64_t, 2_c_int64_t, 3_c_int64_t, &
      stream=c_null_ptr, kde=kde)
    call expect(status == SCF_SUCCESS, scf_message(status))
    call expect(scf_kde_size(kde) == 2 .and. scf_kde_dimension(kde) == 2, "n and d")
    status = scf_kde_query_params_init(query, int(c_sizeof(query), c_int32_t))
    status = scf_kde_outputs_init(outputs, int(c_sizeof(outputs), c_int32_t))
    query%bandwidth = 0.5d0
    outputs%score = c_loc(score)
    outputs%ld_score = 3
    status = scf_kde_evaluate_workspace(context, kde, 1_c_int64_t, query, outputs, bytes)
    status = scf_allocate(context, bytes, c_null_ptr, workspace)
    status = scf_kde_evaluate_f64(context, kde, c_loc(x), 1_c_int64_t, 2_c_int64_t, query, outputs, &
      workspace, bytes, c_null_ptr)
    call expect(status == SCF_SUCCESS, scf_message(status))
    ! (2, 1) is the middle of (0, 0) and (4, 2).
    call expect(all(abs(score(1:2, 1)) < 1d-12), "the score is 0 in the middle of two data")
    call expect(score(3, 1) == 7, "the padding is left alone")
    query%bandwidth = -1
    status = scf_kde_evaluate_f64(context, kde, c_loc(x), 1_c_int64_t, 2_c_int64_t, query, outputs, &
      workspace, bytes, c_null_ptr)
    call expect(index(scf_message(status), "INVALID_ARGUMENT: bandwidth must be") == 1, &
      "a bandwidth of -1 is refused: " // scf_message(status))
    status = scf_free(context, workspace, c_null_ptr)
    call scf_kde_destroy(kde)
  end subroutine check_shapes

  subroutine check_messages()
    type(scf_context_params) :: params
    character(kind=c_char), allocatable, target :: name(:)
    type(c_ptr) :: none
    integer(c_int32_t) :: status
    call expect(scf_message(SCF_SUCCESS) == "", "success has no message")
    status = scf_context_params_init(params, int(c_sizeof(params), c_int32_t))
    name = scf_c_text("NO_SUCH_TARGET")
    params%cpu_target = c_loc(name)
    status = scf_context_create(params, none)
    call expect(status == SCF_ERROR_UNSUPPORTED, "an unknown SIMD target is refused")
    call expect(index(scf_message(status), "NO_SUCH_TARGET") > 0, scf_message(status))
    call expect(.not. c_associated(none), "there is no context then")
  end subroutine check_messages

  subroutine check_sampler()
    integer(c_int64_t), parameter :: steps = 8, m = 3, d = 2
    type(scf_sde_params) :: sde
    type(scf_sampler_params) :: params
    type(scf_sampler_result) :: result
    real(c_double), target :: sigmas(steps + 1), x(d, m)
    integer(c_int32_t) :: status
    integer, target :: anything

    status = scf_sde_params_init(sde, int(c_sizeof(sde), c_int32_t))
    sde%kind = SCF_SDE_VE
    status = scf_sampler_schedule(SCF_SAMPLER_DDIM, sde, steps, 0d0, c_null_ptr, c_loc(sigmas), &
      c_null_ptr, c_null_ptr, c_null_ptr, c_null_ptr, c_null_ptr)
    call expect(status == SCF_SUCCESS .and. sigmas(steps + 1) == 0, "a schedule is written")
    status = scf_sampler_params_init(params, int(c_sizeof(params), c_int32_t))
    status = scf_sampler_result_init(result, int(c_sizeof(result), c_int32_t))
    params%method = SCF_SAMPLER_DDIM
    params%steps = steps
    params%sigmas = c_loc(sigmas)
    params%start = SCF_START_PRIOR
    params%model = c_funloc(normal_score)
    params%progress = c_funloc(progress)
    status = scf_sample_f64(context, params, c_loc(x), m, d, d, result, c_null_ptr)
    call expect(status == SCF_SUCCESS, scf_message(status))
    call expect(steps_seen == steps .and. result%steps_done == steps, "every step is reported")
    call expect(all(abs(x) < 6), "the samples are those of a normal")
    params%progress_user = c_loc(anything)
    status = scf_sample_f64(context, params, c_loc(x), m, d, d, result, c_null_ptr)
    call expect(status == SCF_ERROR_CANCELLED .and. result%steps_done == 2, "progress cancels")
    params%progress_user = c_null_ptr
    params%model = c_funloc(refusing_score)
    status = scf_sample_f64(context, params, c_loc(x), m, d, d, result, c_null_ptr)
    call expect(scf_message(status) == "CANCELLED: model returned CANCELLED at step 0: enough", &
      "a callback says why: " // scf_message(status))
  end subroutine check_sampler

  subroutine check_schedule()
    real(c_double), target :: levels(3)
    call expect(scf_schedule_geometric(4d0, 1d0, 3_c_int64_t, c_loc(levels)) == SCF_SUCCESS, &
      "levels are written")
    call expect(all(abs(levels - [4d0, 2d0, 1d0]) < 1d-14), "they are geometric")
  end subroutine check_schedule

end program fortran_test
