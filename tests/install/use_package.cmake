# What the checks of packages share. The variables of check_package.cmake's head must be set, and `prefix`
# the folder that holds the package.
cmake_minimum_required(VERSION 3.25)

function(run)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUTPUT;FAILS_WITH" "COMMAND")
  execute_process(COMMAND ${arg_COMMAND} OUTPUT_VARIABLE output ERROR_VARIABLE errors
                  RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(JOIN arg_COMMAND " " command)
  if(arg_FAILS_WITH)
    if(result EQUAL 0 OR NOT "${output}${errors}" MATCHES "${arg_FAILS_WITH}")
      message(FATAL_ERROR "should fail with \"${arg_FAILS_WITH}\": ${command}\n${output}${errors}")
    endif()
  elseif(NOT result EQUAL 0)
    message(FATAL_ERROR "${command} failed (${result}):\n${output}\n${errors}")
  endif()
  if(arg_OUTPUT)
    set(${arg_OUTPUT} "${output}" PARENT_SCOPE)
  endif()
endfunction()

# The program's output, and the libraries that it loads.
function(check_program name program kind)
  run(COMMAND ${program} OUTPUT output)
  if(NOT output STREQUAL "scorefield ${VERSION}: total log-density 20.652337904")
    message(FATAL_ERROR "${name}: the program printed \"${output}\"")
  endif()
  run(COMMAND ldd ${program} OUTPUT libraries)
  if(kind STREQUAL "shared" AND NOT libraries MATCHES "libscorefield\\.so\\.0 => ${prefix}/")
    message(FATAL_ERROR "${name} does not load the installed library:\n${libraries}")
  endif()
  if(kind STREQUAL "static" AND libraries MATCHES "libscorefield")
    message(FATAL_ERROR "${name} loads a shared libscorefield:\n${libraries}")
  endif()
  if(libraries MATCHES "libcudart")
    message(FATAL_ERROR "${name} needs a CUDA toolkit to run:\n${libraries}")
  endif()
  message(STATUS "${name}: ${output}")
endfunction()

# The output of the example that every language has.
function(check_kde_score name output)
  file(READ ${SOURCE_DIR}/tests/core/kde_score.expected.txt expected)
  if(NOT "${output}\n" STREQUAL expected)
    message(FATAL_ERROR "${name} printed\n${output}\nexpected\n${expected}")
  endif()
  message(STATUS "${name} compiles and runs")
endfunction()

# Builds and runs separate projects against the package: in C by find_package and by pkg-config, shared
# and static, and in C++.
function(use_package)
  # ---- find_package -------------------------------------------------------------------------------
  foreach(kind shared static)
    set(build ${WORK_DIR}/cmake-${kind})
    run(COMMAND ${CMAKE_COMMAND} -S ${CONSUMER} -B ${build} -G ${GENERATOR}
                -D CMAKE_MAKE_PROGRAM=${NINJA} -D CMAKE_C_COMPILER=${CC} -D KIND=${kind}
                -D VERSION=${VERSION} -D CMAKE_PREFIX_PATH=${prefix})
    run(COMMAND ${CMAKE_COMMAND} --build ${build})
    check_program("find_package, ${kind}" ${build}/consumer ${kind})
  endforeach()
  set(build ${WORK_DIR}/cmake-cpp)
  run(COMMAND ${CMAKE_COMMAND} -S ${CONSUMER}/cpp -B ${build} -G ${GENERATOR}
              -D CMAKE_MAKE_PROGRAM=${NINJA} -D CMAKE_CXX_COMPILER=${CXX} -D VERSION=${VERSION}
              -D CMAKE_PREFIX_PATH=${prefix})
  run(COMMAND ${CMAKE_COMMAND} --build ${build})
  check_program("find_package, C++" ${build}/consumer shared)

  # ---- pkg-config ---------------------------------------------------------------------------------
  set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
  run(COMMAND ${PKG_CONFIG} --modversion scorefield OUTPUT version)
  if(NOT version STREQUAL VERSION)
    message(FATAL_ERROR "pkg-config says version ${version}")
  endif()
  foreach(kind shared static)
    set(static_option "")
    if(kind STREQUAL "static")
      set(static_option --static)
    endif()
    run(COMMAND ${PKG_CONFIG} --cflags --libs ${static_option} scorefield OUTPUT flags)
    if(kind STREQUAL "static")
      string(REPLACE "-lscorefield" "-l:libscorefield.a" flags "${flags}")
    endif()
    separate_arguments(flags UNIX_COMMAND "${flags}")
    run(COMMAND ${CC} -std=c99 ${CONSUMER}/main.c -o ${WORK_DIR}/pkg-config-${kind} ${flags}
                "-Wl,-rpath,${prefix}/${LIBDIR}")
    check_program("pkg-config, ${kind}" ${WORK_DIR}/pkg-config-${kind} ${kind})
  endforeach()

  # ---- Fortran: the installed sources, in the order that they need ---------------------------------
  if(FC)
    set(sources "")
    foreach(name core kde random loss divergence schedule sampler ode scorefield)
      list(APPEND sources ${prefix}/share/scorefield/fortran/${name}.f90)
    endforeach()
    run(COMMAND ${PKG_CONFIG} --libs scorefield OUTPUT flags)
    separate_arguments(flags UNIX_COMMAND "${flags}")
    file(MAKE_DIRECTORY ${WORK_DIR}/fortran)
    run(COMMAND ${CMAKE_COMMAND} -E chdir ${WORK_DIR}/fortran ${FC} ${sources}
                ${SOURCE_DIR}/capi/fortran/kde_score.f90 -o kde_score ${flags}
                "-Wl,-rpath,${prefix}/${LIBDIR}")
    run(COMMAND ${WORK_DIR}/fortran/kde_score OUTPUT output)
    check_kde_score("the Fortran program" "${output}")
  endif()

  # ---- The command --------------------------------------------------------------------------------
  if(EXISTS ${prefix}/bin/scorefield)
    run(COMMAND ${prefix}/bin/scorefield info OUTPUT information)
    if(NOT information MATCHES "${VERSION}")
      message(FATAL_ERROR "scorefield info does not name version ${VERSION}:\n${information}")
    endif()
    message(STATUS "the installed command runs")
  endif()
endfunction()
