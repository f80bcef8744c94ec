! scorefield in Fortran: core.h, declared as it is: status, last error, version, devices, contexts, memory and streams.
module scorefield_core
  use, intrinsic :: iso_c_binding
  implicit none
  public

  integer(c_int32_t), parameter :: SCF_VERSION_MAJOR = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_VERSION_MINOR = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_VERSION_PATCH = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_SUCCESS = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_INVALID_ARGUMENT = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_OUT_OF_MEMORY = 2_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_WORKSPACE_TOO_SMALL = 3_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_UNSUPPORTED = 4_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_BACKEND_UNAVAILABLE = 5_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_CUDA = 6_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_CANCELLED = 7_c_int32_t
  integer(c_int32_t), parameter :: SCF_ERROR_INTERNAL = 8_c_int32_t
  integer(c_int32_t), parameter :: SCF_BACKEND_CPU = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_BACKEND_CUDA = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_COPY_HOST_TO_DEVICE = 0_c_int32_t
  integer(c_int32_t), parameter :: SCF_COPY_DEVICE_TO_HOST = 1_c_int32_t
  integer(c_int32_t), parameter :: SCF_COPY_DEVICE_TO_DEVICE = 2_c_int32_t

  type, bind(C) :: scf_device_info
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: backend
    integer(c_int32_t) :: device
    integer(c_int32_t) :: compute_capability
    integer(c_int32_t) :: cores
    integer(c_int32_t) :: reserved
    integer(c_int64_t) :: memory_bytes
    character(kind=c_char) :: name(128)
  end type scf_device_info

  type, bind(C) :: scf_context_params
    integer(c_int32_t) :: struct_size
    integer(c_int32_t) :: backend
    integer(c_int32_t) :: device
    integer(c_int32_t) :: threads
    type(c_ptr) :: cpu_target
    type(c_ptr) :: allocator_user
    type(c_funptr) :: host_allocate
    type(c_funptr) :: host_free
    type(c_funptr) :: device_allocate
    type(c_funptr) :: device_free
  end type scf_context_params

  interface
    integer(c_int32_t) function scf_version() bind(C)
      import
    end function scf_version

    type(c_ptr) function scf_version_string() bind(C)
      import
    end function scf_version_string

    type(c_ptr) function scf_status_name(status) bind(C)
      import
      integer(c_int32_t), value :: status
    end function scf_status_name

    type(c_ptr) function scf_last_error() bind(C)
      import
    end function scf_last_error

    integer(c_int32_t) function scf_set_last_error(status, message) bind(C)
      import
      integer(c_int32_t), value :: status
      type(c_ptr), value :: message
    end function scf_set_last_error

    integer(c_int32_t) function scf_device_count(backend, count) bind(C)
      import
      integer(c_int32_t), value :: backend
      integer(c_int32_t), intent(out) :: count
    end function scf_device_count

    integer(c_int32_t) function scf_device_info_init(info, struct_size) bind(C)
      import
      type(scf_device_info), intent(inout), optional :: info
      integer(c_int32_t), value :: struct_size
    end function scf_device_info_init

    integer(c_int32_t) function scf_device_describe(backend, device, info) bind(C)
      import
      integer(c_int32_t), value :: backend, device
      type(scf_device_info), intent(inout), optional :: info
    end function scf_device_describe

    integer(c_int32_t) function scf_context_params_init(params, struct_size) bind(C)
      import
      type(scf_context_params), intent(inout), optional :: params
      integer(c_int32_t), value :: struct_size
    end function scf_context_params_init

    integer(c_int32_t) function scf_context_create(params, context) bind(C)
      import
      type(scf_context_params), intent(in), optional :: params
      type(c_ptr), intent(out) :: context
    end function scf_context_create

    subroutine scf_context_destroy(context) bind(C)
      import
      type(c_ptr), value :: context
    end subroutine scf_context_destroy

    integer(c_int32_t) function scf_context_backend(context) bind(C)
      import
      type(c_ptr), value :: context
    end function scf_context_backend

    integer(c_int32_t) function scf_context_device(context) bind(C)
      import
      type(c_ptr), value :: context
    end function scf_context_device

    integer(c_int32_t) function scf_context_threads(context) bind(C)
      import
      type(c_ptr), value :: context
    end function scf_context_threads

    type(c_ptr) function scf_context_cpu_target(context) bind(C)
      import
      type(c_ptr), value :: context
    end function scf_context_cpu_target

    integer(c_int32_t) function scf_allocate(context, bytes, stream, pointer) bind(C)
      import
      type(c_ptr), value :: context
      integer(c_size_t), value :: bytes
      type(c_ptr), value :: stream
      type(c_ptr), intent(out) :: pointer
    end function scf_allocate

    integer(c_int32_t) function scf_free(context, pointer, stream) bind(C)
      import
      type(c_ptr), value :: context, pointer, stream
    end function scf_free

    integer(c_int32_t) function scf_copy(context, destination, source, bytes, kind, stream) &
      bind(C)
      import
      type(c_ptr), value :: context, destination, source
      integer(c_size_t), value :: bytes
      integer(c_int32_t), value :: kind
      type(c_ptr), value :: stream
    end function scf_copy

    integer(c_int32_t) function scf_stream_create(context, stream) bind(C)
      import
      type(c_ptr), value :: context
      type(c_ptr), intent(out) :: stream
    end function scf_stream_create

    integer(c_int32_t) function scf_stream_destroy(context, stream) bind(C)
      import
      type(c_ptr), value :: context, stream
    end function scf_stream_destroy

    integer(c_int32_t) function scf_stream_synchronize(context, stream) bind(C)
      import
      type(c_ptr), value :: context, stream
    end function scf_stream_synchronize
  end interface
end module scorefield_core
