/* scorefield core: status, last error, version, devices, contexts, memory and streams.
 *
 * Conventions of every header of this library
 * -------------------------------------------
 * Status. Every function that can fail returns an scf_status; 0 is success. On failure
 *   scf_last_error() holds one line with the argument, its value and its bound. A function that
 *   fails has written nothing through its output pointers unless its comment says otherwise.
 * Memory. A context works on one device. "Device memory" below is ordinary host memory for a CPU
 *   context and CUDA device memory for a CUDA context. Params structs and the structs of pointers
 *   that calls take are themselves read on the host, during the call only.
 * Sizes are int64_t and count elements unless they say bytes; more than 2^31 elements work.
 *   Matrices are row-major with a leading dimension (elements from one row to the next).
 * Threads. A context, and every call that takes it, belongs to one thread at a time. Prepared
 *   objects (scf_kde) are immutable: any number of threads and streams may use one at once, each
 *   with its own context and workspace. scf_last_error() is per thread.
 * Params structs start with their own size. Fill one with its scf_*_params_init(&p, sizeof p),
 *   then change what you need; a caller compiled against an older, smaller struct keeps working. A
 *   newer, larger struct works as long as what this version does not know is 0; else UNSUPPORTED.
 * The library never prints, never exits, and lets no C++ exception out.
 */
#ifndef SCOREFIELD_CORE_H_
#define SCOREFIELD_CORE_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define SCF_API
#else
#define SCF_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version. Since 0.1. -------------------------------------------------------------------- */

#define SCF_VERSION_MAJOR 0
#define SCF_VERSION_MINOR 1
#define SCF_VERSION_PATCH 0

/* Version of the library that is loaded: 10000 * major + 100 * minor + patch. */
SCF_API int32_t scf_version(void);

/* The same as text, "0.1.0". Static storage. */
SCF_API const char* scf_version_string(void);

/* ---- Status. Since 0.1. --------------------------------------------------------------------- */

typedef int32_t scf_status;

/* Values are never renumbered. */
#define SCF_SUCCESS 0
#define SCF_ERROR_INVALID_ARGUMENT 1    /* an argument is outside its stated bounds */
#define SCF_ERROR_OUT_OF_MEMORY 2       /* an allocation failed */
#define SCF_ERROR_WORKSPACE_TOO_SMALL 3 /* the workspace is smaller than *_workspace() said */
#define SCF_ERROR_UNSUPPORTED 4         /* well formed, but this build or device cannot do it */
#define SCF_ERROR_BACKEND_UNAVAILABLE 5 /* not in this build, or no driver or device */
#define SCF_ERROR_CUDA 6                /* the CUDA runtime reported an error */
#define SCF_ERROR_CANCELLED 7           /* a callback asked to stop */
#define SCF_ERROR_INTERNAL 8            /* a defect of this library; please report it */

/* Name of a status ("INVALID_ARGUMENT"); "UNKNOWN" for a value that is none. Static storage. */
SCF_API const char* scf_status_name(scf_status status);

/* Message of the calling thread's last failure, "" if none yet: for example
 * "bandwidth must be > 0, got nan". Not cleared by success. Valid until the thread's
 * next failure. */
SCF_API const char* scf_last_error(void);

/* For a callback that fails: keeps `message` (copied; up to 511 bytes; NULL: "") as the calling
 * thread's last failure and returns `status`, so that it can say why and return in one line.
 * SCF_SUCCESS keeps nothing. The message of the call that the callback ends has the reason at its
 * end: "model returned CANCELLED at step 3: the window was closed"; likewise where a callback
 * returns the status that a call of its own to this library failed with. */
SCF_API scf_status scf_set_last_error(scf_status status, const char* message);

/* ---- Backends and devices. Since 0.1. ------------------------------------------------------- */

#define SCF_BACKEND_CPU 0
#define SCF_BACKEND_CUDA 1

/* Number of devices of a backend: 1 for the CPU; for CUDA 0 where the build has no CUDA, or no
 * driver or device is found (that is no error). *count is set to 0 on failure. */
SCF_API scf_status scf_device_count(int32_t backend, int32_t* count);

typedef struct scf_device_info {
  uint32_t struct_size;
  int32_t backend;
  int32_t device;
  int32_t compute_capability; /* CUDA: 10 * major + minor, e.g. 80; CPU: 0 */
  int32_t cores;              /* CUDA: multiprocessors; CPU: hardware threads */
  int32_t reserved;           /* 0 */
  int64_t memory_bytes;       /* total memory of the device */
  char name[128];             /* NUL-terminated; CPU: the SIMD target in use, e.g. "AVX2" */
} scf_device_info;

/* Sets every field but struct_size to its empty value. struct_size: of the caller's struct. */
SCF_API scf_status scf_device_info_init(scf_device_info* info, uint32_t struct_size);

/* Describes a device. info must have been initialised.
 * BACKEND_UNAVAILABLE where the backend has no device; INVALID_ARGUMENT where device is not in
 * [0, count). */
SCF_API scf_status scf_device_describe(int32_t backend, int32_t device, scf_device_info* info);

/* ---- Context. Since 0.1. -------------------------------------------------------------------- */

typedef struct scf_context scf_context;

/* Optional allocators of a host engine. size > 0; alignment is a power of two, at most 256.
 * Return NULL when out of memory. device_* are stream-ordered: memory handed out is used on
 * `stream` (a cudaStream_t) only after work already in it, and freed after work already in it. */
typedef void* (*scf_host_allocate_fn)(void* user, size_t size, size_t alignment);
typedef void (*scf_host_free_fn)(void* user, void* pointer, size_t size);
typedef void* (*scf_device_allocate_fn)(void* user, size_t size, void* stream);
typedef void (*scf_device_free_fn)(void* user, void* pointer, size_t size, void* stream);

typedef struct scf_context_params {
  uint32_t struct_size;
  int32_t backend;        /* SCF_BACKEND_CPU (default) or SCF_BACKEND_CUDA */
  int32_t device;         /* CUDA device ordinal, default 0; CPU: 0 */
  int32_t threads;        /* CPU threads, 1..4096; 0 (default): all that this process may use */
  const char* cpu_target; /* force a SIMD target by name ("AVX2"); NULL (default): the best one.
                           * "" or a name that this CPU or build lacks: UNSUPPORTED. */
  void* allocator_user;   /* handed to the callbacks below */
  scf_host_allocate_fn host_allocate; /* both or neither of a pair */
  scf_host_free_fn host_free;
  scf_device_allocate_fn device_allocate;
  scf_device_free_fn device_free;
} scf_context_params;

/* Defaults as commented above. */
SCF_API scf_status scf_context_params_init(scf_context_params* params, uint32_t struct_size);

/* Creates a context; params NULL means defaults. *context is NULL on failure.
 * Results do not depend on `threads`. Threads of a CPU context are drawn from one shared pool.
 * INVALID_ARGUMENT for a bad field, BACKEND_UNAVAILABLE for a backend or device that is not
 * there. */
SCF_API scf_status scf_context_create(const scf_context_params* params, scf_context** context);

/* Destroys a context; NULL is allowed. Frees what scf_allocate gave and nobody freed (CUDA: in the
 * order of the default stream). Objects prepared with it stay valid: they keep what they need of
 * it. Allocator callbacks must outlive those objects. */
SCF_API void scf_context_destroy(scf_context* context);

/* What the context runs on: backend, device, CPU threads (0 on CUDA), SIMD target ("" on CUDA;
 * valid as long as the context). NULL gives -1, -1, 0, "". */
SCF_API int32_t scf_context_backend(const scf_context* context);
SCF_API int32_t scf_context_device(const scf_context* context);
SCF_API int32_t scf_context_threads(const scf_context* context);
SCF_API const char* scf_context_cpu_target(const scf_context* context);

/* ---- Memory and streams. Since 0.1. --------------------------------------------------------- */

/* Small helpers, so that a caller needs no CUDA of its own. In every call of this library a stream
 * of NULL means CUDA's default stream; CPU contexts take NULL alone. */

/* Allocates `bytes` of device memory, 256-byte aligned; bytes == 0 gives NULL. CUDA: stream-ordered
 * on `stream` (NULL: the default stream). */
SCF_API scf_status scf_allocate(scf_context* context, size_t bytes, void* stream, void** pointer);

/* Frees what scf_allocate of the same context gave, once; NULL is allowed. CUDA: in stream
 * order. */
SCF_API scf_status scf_free(scf_context* context, void* pointer, void* stream);

#define SCF_COPY_HOST_TO_DEVICE 0
#define SCF_COPY_DEVICE_TO_HOST 1
#define SCF_COPY_DEVICE_TO_DEVICE 2

/* Copies `bytes`; ranges must not overlap. CUDA: enqueued on `stream`; the host side must stay
 * valid and unread until scf_stream_synchronize. CPU: done on return. */
SCF_API scf_status scf_copy(scf_context* context, void* destination, const void* source,
                            size_t bytes, int32_t kind, void* stream);

/* A stream of the context's device. CPU contexts have none: *stream is NULL. */
SCF_API scf_status scf_stream_create(scf_context* context, void** stream);
SCF_API scf_status scf_stream_destroy(scf_context* context, void* stream);

/* Waits for all work in the stream, and reports its errors. CPU: returns at once. */
SCF_API scf_status scf_stream_synchronize(scf_context* context, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_CORE_H_ */
