//! core.h, declared as it is: status, last error, version, devices, contexts, memory and streams.

use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::{c_char, c_void};

pub const SCF_VERSION_MAJOR: i32 = 0;
pub const SCF_VERSION_MINOR: i32 = 1;
pub const SCF_VERSION_PATCH: i32 = 0;
pub const SCF_SUCCESS: i32 = 0;
pub const SCF_ERROR_INVALID_ARGUMENT: i32 = 1;
pub const SCF_ERROR_OUT_OF_MEMORY: i32 = 2;
pub const SCF_ERROR_WORKSPACE_TOO_SMALL: i32 = 3;
pub const SCF_ERROR_UNSUPPORTED: i32 = 4;
pub const SCF_ERROR_BACKEND_UNAVAILABLE: i32 = 5;
pub const SCF_ERROR_CUDA: i32 = 6;
pub const SCF_ERROR_CANCELLED: i32 = 7;
pub const SCF_ERROR_INTERNAL: i32 = 8;
pub const SCF_BACKEND_CPU: i32 = 0;
pub const SCF_BACKEND_CUDA: i32 = 1;
pub const SCF_COPY_HOST_TO_DEVICE: i32 = 0;
pub const SCF_COPY_DEVICE_TO_HOST: i32 = 1;
pub const SCF_COPY_DEVICE_TO_DEVICE: i32 = 2;

pub type scf_status = i32;

#[repr(C)]
pub struct scf_context {
    _private: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

pub type scf_host_allocate_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, size: usize, alignment: usize) -> *mut c_void>;
pub type scf_host_free_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, pointer: *mut c_void, size: usize)>;
pub type scf_device_allocate_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, size: usize, stream: *mut c_void) -> *mut c_void,
>;
pub type scf_device_free_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, pointer: *mut c_void, size: usize, stream: *mut c_void),
>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_device_info {
    pub struct_size: u32,
    pub backend: i32,
    pub device: i32,
    pub compute_capability: i32,
    pub cores: i32,
    pub reserved: i32,
    pub memory_bytes: i64,
    pub name: [c_char; 128],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_context_params {
    pub struct_size: u32,
    pub backend: i32,
    pub device: i32,
    pub threads: i32,
    pub cpu_target: *const c_char,
    pub allocator_user: *mut c_void,
    pub host_allocate: scf_host_allocate_fn,
    pub host_free: scf_host_free_fn,
    pub device_allocate: scf_device_allocate_fn,
    pub device_free: scf_device_free_fn,
}

extern "C" {
    pub fn scf_version() -> i32;
    pub fn scf_version_string() -> *const c_char;
    pub fn scf_status_name(status: scf_status) -> *const c_char;
    pub fn scf_last_error() -> *const c_char;
    pub fn scf_set_last_error(status: scf_status, message: *const c_char) -> scf_status;
    pub fn scf_device_count(backend: i32, count: *mut i32) -> scf_status;
    pub fn scf_device_info_init(info: *mut scf_device_info, struct_size: u32) -> scf_status;
    pub fn scf_device_describe(backend: i32, device: i32, info: *mut scf_device_info)
        -> scf_status;
    pub fn scf_context_params_init(params: *mut scf_context_params, struct_size: u32)
        -> scf_status;
    pub fn scf_context_create(
        params: *const scf_context_params,
        context: *mut *mut scf_context,
    ) -> scf_status;
    pub fn scf_context_destroy(context: *mut scf_context);
    pub fn scf_context_backend(context: *const scf_context) -> i32;
    pub fn scf_context_device(context: *const scf_context) -> i32;
    pub fn scf_context_threads(context: *const scf_context) -> i32;
    pub fn scf_context_cpu_target(context: *const scf_context) -> *const c_char;
    pub fn scf_allocate(
        context: *mut scf_context,
        bytes: usize,
        stream: *mut c_void,
        pointer: *mut *mut c_void,
    ) -> scf_status;
    pub fn scf_free(
        context: *mut scf_context,
        pointer: *mut c_void,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_copy(
        context: *mut scf_context,
        destination: *mut c_void,
        source: *const c_void,
        bytes: usize,
        kind: i32,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_stream_create(context: *mut scf_context, stream: *mut *mut c_void) -> scf_status;
    pub fn scf_stream_destroy(context: *mut scf_context, stream: *mut c_void) -> scf_status;
    pub fn scf_stream_synchronize(context: *mut scf_context, stream: *mut c_void) -> scf_status;
}
