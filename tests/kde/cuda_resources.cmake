# The target cuda-report, and the tests that every CUDA kernel assembles, that none spills, and that
# what is counted of their work adds up. They assemble the library's own PTX, and run it on ptxvm.
function(scf_no_cuda_report why)
  add_custom_target(cuda-report
    COMMAND ${CMAKE_COMMAND} -E echo "cuda-report: ${why}"
    COMMAND ${CMAKE_COMMAND} -E false)
endfunction()
if(NOT SCF_HAS_CUDA)
  scf_no_cuda_report("this build has no CUDA toolkit")
  return()
endif()
find_program(SCF_PTXAS ptxas HINTS ${CUDAToolkit_BIN_DIR})
if(NOT SCF_PTXAS)
  message(WARNING "ptxas was not found: the tests that assemble the CUDA kernels are left out")
  scf_no_cuda_report("there is no ptxas")
  return()
endif()

find_package(nlohmann_json REQUIRED)

add_library(scf_cuda_resources STATIC cuda_resources.cpp cuda_counts.cpp)
target_include_directories(scf_cuda_resources PUBLIC
  ${CMAKE_CURRENT_SOURCE_DIR} PRIVATE ${PROJECT_SOURCE_DIR}/kernels)
target_link_libraries(scf_cuda_resources PUBLIC scf_options PRIVATE nlohmann_json::nlohmann_json)

add_executable(cuda_workload cuda_workload.cpp)
target_link_libraries(cuda_workload PRIVATE scf_test_support)
add_dependencies(cuda_workload ptxvm_cudart)

add_executable(cuda_report cuda_report.cpp)
target_link_libraries(cuda_report PRIVATE scf_cuda_resources nlohmann_json::nlohmann_json)
add_custom_target(cuda-report
  COMMAND cuda_report $<TARGET_FILE:scorefield> ${SCF_PTXAS}
          --work $<TARGET_FILE:cuda_workload> $<TARGET_FILE_DIR:ptxvm_cudart>
          --json ${PROJECT_BINARY_DIR}/cuda-report.json
  DEPENDS cuda_report cuda_workload scorefield ptxvm_cudart USES_TERMINAL VERBATIM)

add_executable(cuda_resources_test cuda_resources_test.cpp cuda_counts_test.cpp)
target_link_libraries(cuda_resources_test PRIVATE scf_cuda_resources GTest::gtest GTest::gtest_main)
target_compile_definitions(cuda_resources_test PRIVATE
  SCF_TEST_LIBRARY="$<TARGET_FILE:scorefield>" SCF_TEST_PTXAS="${SCF_PTXAS}"
  SCF_TEST_WORKLOAD="$<TARGET_FILE:cuda_workload>"
  SCF_TEST_PTXVM="$<TARGET_FILE_DIR:ptxvm_cudart>")
add_dependencies(cuda_resources_test scorefield cuda_workload)
gtest_discover_tests(cuda_resources_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
