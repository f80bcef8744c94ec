use crate::error::{check, init};
use crate::{sys, Result};
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{CStr, CString};
use std::os::raw::c_void;
use std::ptr::NonNull;

/// Version of the library that is loaded: 10000 * major + 100 * minor + patch.
pub fn version() -> i32 {
    // SAFETY: takes nothing.
    unsafe { sys::scf_version() }
}

/// Number of devices of a backend, `sys::SCF_BACKEND_*`.
pub fn device_count(backend: i32) -> Result<i32> {
    let mut count = 0;
    // SAFETY: writes one number.
    check(unsafe { sys::scf_device_count(backend, &mut count) })?;
    Ok(count)
}

/// Where a context, and what is prepared with it, takes host memory from. It lives forever, since what was
/// prepared may outlive the context.
#[derive(Clone, Copy, Debug)]
pub struct HostAllocator {
    user: *mut c_void,
    allocate: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

// SAFETY: it is a shared reference to what is Sync.
unsafe impl Send for HostAllocator {}
unsafe impl Sync for HostAllocator {}

/// core.h: no alignment is above this; it is not told when memory is freed.
const ALIGNMENT: usize = 256;

impl HostAllocator {
    pub fn new<A: GlobalAlloc + Sync>(allocator: &'static A) -> Self {
        HostAllocator {
            user: allocator as *const A as *mut c_void,
            allocate: allocate::<A>,
            free: free::<A>,
        }
    }
}

unsafe extern "C" fn allocate<A: GlobalAlloc>(
    user: *mut c_void,
    size: usize,
    _: usize,
) -> *mut c_void {
    match Layout::from_size_align(size, ALIGNMENT) {
        Ok(layout) => (*user.cast::<A>()).alloc(layout).cast(),
        Err(_) => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn free<A: GlobalAlloc>(user: *mut c_void, pointer: *mut c_void, size: usize) {
    let layout = Layout::from_size_align_unchecked(size, ALIGNMENT);
    (*user.cast::<A>()).dealloc(pointer.cast(), layout);
}

/// What a context is made with.
#[derive(Clone, Debug, Default)]
pub struct ContextOptions {
    /// `sys::SCF_BACKEND_*`
    pub backend: i32,
    pub device: i32,
    /// CPU threads; 0: all
    pub threads: i32,
    /// A SIMD target by name; None: the best one
    pub cpu_target: Option<String>,
    /// None: the system's
    pub host_allocator: Option<HostAllocator>,
    /// On CUDA: calls run on a stream of the context's own, beside those of other contexts, in place of
    /// the default stream. Each still waits for its own work.
    pub own_stream: bool,
}

/// What calls run on: one thread at a time (`Send`, but not `Sync`).
///
/// ```compile_fail
/// fn sync<T: Sync>() {}
/// sync::<scorefield::Context>();
/// ```
#[derive(Debug)]
pub struct Context {
    handle: NonNull<sys::scf_context>,
    stream: *mut c_void,
}

// SAFETY: core.h: a context belongs to one thread at a time, and may change it. (A raw pointer makes it
// neither Send nor Sync by itself.)
unsafe impl Send for Context {}

impl Context {
    /// The CPU with all threads.
    pub fn new() -> Result<Self> {
        Self::with_options(&ContextOptions::default())
    }

    pub fn with_options(options: &ContextOptions) -> Result<Self> {
        let mut params = init(sys::scf_context_params_init);
        params.backend = options.backend;
        params.device = options.device;
        params.threads = options.threads;
        let target = options.cpu_target.as_deref().map(CString::new).transpose();
        let target = target.map_err(|_| crate::Error::argument("cpu_target holds a NUL"))?;
        params.cpu_target = target.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        if let Some(allocator) = options.host_allocator {
            params.allocator_user = allocator.user;
            params.host_allocate = Some(allocator.allocate);
            params.host_free = Some(allocator.free);
        }
        let mut handle = std::ptr::null_mut();
        // SAFETY: params is whole, and its string lives until the call is over.
        check(unsafe { sys::scf_context_create(&params, &mut handle) })?;
        let handle = NonNull::new(handle).expect("a context was made");
        let mut context = Context { handle, stream: std::ptr::null_mut() };
        if options.own_stream {
            // SAFETY: the handle is alive; where this fails the context is dropped whole.
            check(unsafe { sys::scf_stream_create(context.as_ptr(), &mut context.stream) })?;
        }
        Ok(context)
    }

    /// The stream that calls run on, for calls of [`sys`]; NULL: the default one.
    pub fn stream(&self) -> *mut c_void {
        self.stream
    }

    /// For calls of [`sys`].
    pub fn as_ptr(&self) -> *mut sys::scf_context {
        self.handle.as_ptr()
    }

    pub fn backend(&self) -> i32 {
        // SAFETY: the handle is alive, here and below.
        unsafe { sys::scf_context_backend(self.as_ptr()) }
    }
    pub fn device(&self) -> i32 {
        unsafe { sys::scf_context_device(self.as_ptr()) }
    }
    pub fn threads(&self) -> i32 {
        unsafe { sys::scf_context_threads(self.as_ptr()) }
    }
    pub fn cpu_target(&self) -> String {
        let name = unsafe { CStr::from_ptr(sys::scf_context_cpu_target(self.as_ptr())) };
        name.to_string_lossy().into_owned()
    }

    /// Waits for the context's stream, and reports what went wrong in it.
    pub fn synchronize(&self) -> Result<()> {
        check(unsafe { sys::scf_stream_synchronize(self.as_ptr(), self.stream) })
    }

    /// What a call returns: its status, and on CUDA only when its work is done. A call that failed may
    /// have enqueued work before, and its borrows end here too; its message is taken first, which a
    /// failure to wait would replace.
    pub(crate) fn finish(&self, status: sys::scf_status) -> Result<()> {
        let result = check(status);
        let waited = self.synchronize();
        result.and(waited)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: once, and what borrows the context is gone.
        unsafe {
            sys::scf_stream_destroy(self.as_ptr(), self.stream);
            sys::scf_context_destroy(self.as_ptr());
        }
    }
}
