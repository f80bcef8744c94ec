# The layers: kernels/ includes neither the public headers nor capi/; the public C headers name
# <stddef.h>, <stdint.h> and each other alone; command and examples see the public headers alone.
# Argument: SOURCE_DIR.
cmake_minimum_required(VERSION 3.25)

# Fails where an include line of the files below folder (matching the globs) matches `pattern`, or,
# with ONLY, where it does not.
function(check folder globs mode pattern)
  set(paths "")
  foreach(glob ${globs})
    list(APPEND paths ${SOURCE_DIR}/${folder}/${glob})
  endforeach()
  file(GLOB_RECURSE files ${paths})
  if(NOT files)
    message(FATAL_ERROR "no files in ${folder}")
  endif()
  foreach(file ${files})
    file(STRINGS ${file} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line ${lines})
      set(matches OFF)
      if(line MATCHES "${pattern}")
        set(matches ON)
      endif()
      if((mode STREQUAL "ONLY" AND NOT matches) OR (mode STREQUAL "NEVER" AND matches))
        message(FATAL_ERROR "${file}: ${line}")
      endif()
    endforeach()
  endforeach()
  list(LENGTH files count)
  message(STATUS "${folder}: ${count} files")
endfunction()

check(kernels "*.h;*.cpp;*.cu;*.cuh" NEVER "[<\"](scorefield/|capi/|[./]*capi/|[./]*include/)")
check(include "*.h" ONLY "include <(stddef\\.h|stdint\\.h|scorefield/[a-z_]+\\.h)>")
check(include "*.hpp" NEVER "[<\"]([./]*kernels/|[./]*capi/|common/|cuda)|\"")
check(capi/examples "*.c;*.cpp;*.h" NEVER "[<\"]([./]*kernels/|[./]*common/|kde/|[./]*capi/)")
if(EXISTS ${SOURCE_DIR}/capi/cli)
  check(capi/cli "*.cpp;*.h" NEVER "[<\"]([./]*kernels/|common/|kde/|[./]*(status|check|context|params)\\.h)")
endif()
