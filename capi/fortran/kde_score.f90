! Log-density and score of three points under four data in the plane. Usage: kde_score [cpu|cuda]
program kde_score
  use, intrinsic :: iso_c_binding
  use scorefield
  implicit none

  integer(c_int64_t), parameter :: n = 4, m = 3, d = 2
  ! A point is a column.
  real(c_float), target :: data(d, n) = reshape([0., 0., 2., 0., 0., 2., 2., 2.], [2, 4])
  real(c_float), target :: queries(d, m) = reshape([1., 1., 0., 0., 3., 1.], [2, 3])
  real(c_float), target :: log_density(m), score(d, m)

  type(scf_context_params) :: device
  type(scf_kde_query_params) :: params
  type(scf_kde_outputs) :: outputs
  type(c_ptr) :: context, kde, y, x, log_p, s, workspace
  integer(c_size_t) :: bytes
  character(8) :: backend
  integer :: i

  call check(scf_context_params_init(device, bytes_of(c_sizeof(device))))
  call get_command_argument(1, backend)
  if (backend == "cuda") device%backend = SCF_BACKEND_CUDA
  call check(scf_context_create(device, context))

  call upload(c_loc(data), c_sizeof(data), y)  ! device memory
  call upload(c_loc(queries), c_sizeof(queries), x)
  call check(scf_allocate(context, c_sizeof(log_density), c_null_ptr, log_p))
  call check(scf_allocate(context, c_sizeof(score), c_null_ptr, s))

  ! The data, laid out once for many evaluations; its options are left out.
  call check(scf_kde_create_f32(context, y, n, d, d, stream=c_null_ptr, kde=kde))

  call check(scf_kde_query_params_init(params, bytes_of(c_sizeof(params))))
  call check(scf_kde_outputs_init(outputs, bytes_of(c_sizeof(outputs))))
  params%bandwidth = 0.5_c_double
  outputs%log_density = log_p
  outputs%score = s
  outputs%ld_score = d
  call check(scf_kde_evaluate_workspace(context, kde, m, params, outputs, bytes))
  call check(scf_allocate(context, bytes, c_null_ptr, workspace))
  call check(scf_kde_evaluate_f32(context, kde, x, m, d, params, outputs, workspace, bytes, &
    c_null_ptr))

  call check(scf_copy(context, c_loc(log_density), log_p, c_sizeof(log_density), &
    SCF_COPY_DEVICE_TO_HOST, c_null_ptr))
  call check(scf_copy(context, c_loc(score), s, c_sizeof(score), SCF_COPY_DEVICE_TO_HOST, &
    c_null_ptr))
  call check(scf_stream_synchronize(context, c_null_ptr))
  do i = 1, int(m)
    print "(a, i0, a, i0, 7a)", "x = (", nint(queries(1, i)), ", ", nint(queries(2, i)), &
      ")  log p = ", fixed(log_density(i)), "  score = (", fixed(score(1, i)), ", ", &
      fixed(score(2, i)), ")"
  end do
  call scf_kde_destroy(kde)
  call scf_context_destroy(context)  ! frees what scf_allocate gave

contains

  ! Stops at the first failure; the library says what was wrong.
  subroutine check(status)
    use, intrinsic :: iso_fortran_env, only: error_unit
    integer(c_int32_t), intent(in) :: status
    if (status == SCF_SUCCESS) return
    write (error_unit, "(a)") scf_message(status)
    if (status == SCF_ERROR_BACKEND_UNAVAILABLE) stop 3
    stop 1
  end subroutine check

  subroutine upload(source, source_bytes, pointer)
    type(c_ptr), intent(in) :: source
    integer(c_size_t), intent(in) :: source_bytes
    type(c_ptr), intent(out) :: pointer
    call check(scf_allocate(context, source_bytes, c_null_ptr, pointer))
    call check(scf_copy(context, pointer, source, source_bytes, SCF_COPY_HOST_TO_DEVICE, &
      c_null_ptr))
  end subroutine upload

  ! Sizes of structs are uint32_t in C.
  pure integer(c_int32_t) function bytes_of(size)
    integer(c_size_t), intent(in) :: size
    bytes_of = int(size, c_int32_t)
  end function bytes_of

  pure function fixed(value) result(text)
    real(c_float), intent(in) :: value
    character(:), allocatable :: text
    character(24) :: buffer
    write (buffer, "(f24.4)") value
    text = trim(adjustl(buffer))
  end function fixed

end program kde_score
