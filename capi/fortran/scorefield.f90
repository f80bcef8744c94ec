! scorefield in Fortran: every family, through iso_c_binding. The C headers are the manual, and the
! modules of this folder declare them as they are; what is Fortran's own is here.
!
! Shapes. C's matrices are row-major, Fortran's arrays column-major, so that the same memory is
!
!     C        T x[m][d], leading dimension ldx          m points of d coordinates
!     Fortran  real :: x(ldx, m), of which x(1:d, :)     a point is a column: x(:, i)
!
! Declare data as data(d, n), queries as x(d, m), scores as score(d, m), and hand over d as the leading
! dimension; nothing is ever transposed. Indices that the library gives, such as top_indices, count
! from 0.
!
! Arguments. Handles, streams, workspaces and arrays are type(c_ptr) by value, for they may be of a
! device: pass c_loc(x) of a target array on a CPU context, what scf_allocate gave on any, and
! c_null_ptr for C's NULL. A struct is passed by reference; where C takes NULL for it, leave it out.
! Constants are parameters under their C names. Every function returns its status.
!
! Callbacks. A type(c_funptr) field takes c_funloc(f) of a bind(C) function with the arguments that the
! header says, a request being type(scf_model_request), intent(in) or the like.
module scorefield
  use, intrinsic :: iso_c_binding
  use scorefield_core
  use scorefield_kde
  use scorefield_random
  use scorefield_loss
  use scorefield_divergence
  use scorefield_schedule
  use scorefield_sampler
  use scorefield_ode
  implicit none
  public

  interface
    function c_string_length(text) bind(C, name="strlen")
      import
      type(c_ptr), value :: text
      integer(c_size_t) :: c_string_length
    end function c_string_length
  end interface

contains

  ! What a C string holds, such as scf_version_string() or scf_status_name(status).
  function scf_text(pointer) result(text)
    type(c_ptr), intent(in) :: pointer
    character(:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    integer :: i
    call c_f_pointer(pointer, letters, [c_string_length(pointer)])
    allocate (character(size(letters)) :: text)
    do i = 1, size(letters)
      text(i:i) = letters(i)
    end do
  end function scf_text

  ! "INVALID_ARGUMENT: bandwidth must be > 0, got nan", of the call that has just failed; "" where
  ! status is success.
  function scf_message(status) result(text)
    integer(c_int32_t), intent(in) :: status
    character(:), allocatable :: text
    text = ""
    if (status == SCF_SUCCESS) return
    text = scf_text(scf_status_name(status)) // ": " // scf_text(scf_last_error())
  end function scf_message

  ! For a callback that fails: says why, and gives the status that the callback returns.
  function scf_fail(status, text) result(same_status)
    integer(c_int32_t), intent(in) :: status
    character(*), intent(in) :: text
    integer(c_int32_t) :: same_status
    character(kind=c_char), allocatable, target :: letters(:)
    letters = scf_c_text(text)
    same_status = scf_set_last_error(status, c_loc(letters))
  end function scf_fail

  ! A string as C takes one: keep it in a target variable, and hand over its c_loc.
  function scf_c_text(text) result(letters)
    character(*), intent(in) :: text
    character(kind=c_char), allocatable :: letters(:)
    integer :: i
    allocate (letters(len(text) + 1))
    do i = 1, len(text)
      letters(i) = text(i:i)
    end do
    letters(len(text) + 1) = c_null_char
  end function scf_c_text

end module scorefield
