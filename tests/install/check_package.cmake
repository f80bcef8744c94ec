# Installs the build into a prefix with a space in its path, moves the prefix, and builds and runs a
# plain C project against it: by find_package and by pkg-config, shared and static. Arguments:
# BUILD_DIR, VERSION, CC, NINJA, GENERATOR, PKG_CONFIG, LIBDIR, CONSUMER, WORK_DIR.
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

file(REMOVE_RECURSE ${WORK_DIR})
set(first "${WORK_DIR}/first prefix")
set(prefix "${WORK_DIR}/moved prefix")
run(COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${first})
file(RENAME ${first} ${prefix})

# ---- find_package ---------------------------------------------------------------------------------
foreach(kind shared static)
  set(build ${WORK_DIR}/cmake-${kind})
  run(COMMAND ${CMAKE_COMMAND} -S ${CONSUMER} -B ${build} -G ${GENERATOR}
              -D CMAKE_MAKE_PROGRAM=${NINJA} -D CMAKE_C_COMPILER=${CC} -D KIND=${kind}
              -D VERSION=${VERSION} -D CMAKE_PREFIX_PATH=${prefix})
  run(COMMAND ${CMAKE_COMMAND} --build ${build})
  check_program("find_package, ${kind}" ${build}/consumer ${kind})
endforeach()
foreach(case "99.0;shared;99.0" "${VERSION};nonsense;nonsense")
  list(GET case 0 version)
  list(GET case 1 kind)
  list(GET case 2 complaint)
  run(COMMAND ${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK_DIR}/refused-${complaint} -G ${GENERATOR}
              -D CMAKE_MAKE_PROGRAM=${NINJA} -D CMAKE_C_COMPILER=${CC} -D KIND=${kind}
              -D VERSION=${version} -D CMAKE_PREFIX_PATH=${prefix}
      FAILS_WITH "${complaint}")
endforeach()

# ---- pkg-config -----------------------------------------------------------------------------------
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

# ---- The command ----------------------------------------------------------------------------------
if(EXISTS ${prefix}/bin/scorefield)
  run(COMMAND ${prefix}/bin/scorefield info OUTPUT information)
  if(NOT information MATCHES "${VERSION}")
    message(FATAL_ERROR "scorefield info does not name version ${VERSION}:\n${information}")
  endif()
  message(STATUS "the installed command runs")
endif()
