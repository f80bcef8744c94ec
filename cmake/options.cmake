# Options of the build, the compiler settings that every target of this project takes, and the search
# for a CUDA toolkit. Nothing here sets a global flag: targets link scf_options.

option(SCF_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SCF_BUILD_BENCH "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(SCF_BUILD_COMMAND "Build the command, the demo and the examples" ${PROJECT_IS_TOP_LEVEL})
set(SCF_ENABLE_CUDA AUTO CACHE STRING "CUDA backend: AUTO (where a toolkit is found), ON, OFF")
set_property(CACHE SCF_ENABLE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(SCF_EMULATE_CUDA AUTO CACHE STRING
  "Run the CUDA tests on the emulator of tests/ptxvm: AUTO (where there is no GPU), ON, OFF")
set_property(CACHE SCF_EMULATE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(SCF_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them: address,undefined or thread")
set(SCF_THREADS TBB CACHE STRING
  "Parallel loops: TBB, or STD (std::thread; slow, for ThreadSanitizer)")
set_property(CACHE SCF_THREADS PROPERTY STRINGS TBB STD)
option(SCF_WARNINGS_AS_ERRORS "Treat compiler warnings as errors" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

include(GNUInstallDirs)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# ---- Libraries ------------------------------------------------------------------------------------
find_package(hwy REQUIRED)
if(SCF_THREADS STREQUAL "TBB")
  find_package(TBB REQUIRED)
  set(SCF_THREADS_LIBRARY TBB::tbb)
else()
  find_package(Threads REQUIRED)
  set(SCF_THREADS_LIBRARY Threads::Threads)
endif()

# ---- CUDA -----------------------------------------------------------------------------------------
set(SCF_HAS_CUDA OFF)
if(NOT SCF_ENABLE_CUDA STREQUAL "OFF")
  # Machine code for sm_80 and sm_90, and PTX of compute_80 for everything newer and for ptxvm.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90-real)
  endif()
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(SCF_NVCC nvcc PATHS /usr/local/cuda/bin)
    if(SCF_NVCC)
      set(CMAKE_CUDA_COMPILER ${SCF_NVCC})
    endif()
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    set(SCF_HAS_CUDA ON)
  elseif(SCF_ENABLE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SCF_ENABLE_CUDA is ON, but no CUDA toolkit was found")
  endif()
endif()
message(STATUS "scorefield: CUDA backend ${SCF_HAS_CUDA}")

# ---- Fortran: the binding's modules and their tests, where there is a compiler ---------------------
include(CheckLanguage)
check_language(Fortran)
if(CMAKE_Fortran_COMPILER)
  enable_language(Fortran)
endif()

# ---- Settings of every target ---------------------------------------------------------------------
add_library(scf_options INTERFACE)
target_compile_features(scf_options INTERFACE cxx_std_17)
# No fused multiply-adds but those written as such: results must not depend on the compiler's mood.
target_compile_options(scf_options INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -ffp-contract=off>
  $<$<AND:$<BOOL:${SCF_WARNINGS_AS_ERRORS}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>)
if(SCF_SANITIZE)
  # -O1 -g1: a sanitizing g++ takes twice the time for more, and what it finds is the same.
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${SCF_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all;-O1;-g1>")
  add_link_options(-fsanitize=${SCF_SANITIZE})
endif()
