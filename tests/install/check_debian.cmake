# Builds the Debian packages of a build and looks into them; unpacked, as dpkg would, below a folder with a
# space in its path they are used by separate projects. Nothing of the machine is changed. Arguments:
# those of check_package.cmake, and CPACK.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/use_package.cmake)

file(REMOVE_RECURSE ${WORK_DIR})
run(COMMAND ${CPACK} -G DEB -B ${WORK_DIR} --config ${BUILD_DIR}/CPackConfig.cmake
            -D CPACK_DEBIAN_COMPRESSION_TYPE=none)  # which takes no time
set(root "${WORK_DIR}/root of packages")
file(MAKE_DIRECTORY ${root})

# The package's control fields must match, its files too, and `never` none of them.
function(check_deb name depends files never)
  file(GLOB deb ${WORK_DIR}/${name}_${VERSION}_*.deb)
  list(LENGTH deb count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "there are ${count} packages ${name}: ${deb}")
  endif()
  run(COMMAND dpkg-deb --field ${deb} Depends OUTPUT fields)
  foreach(dependency ${depends})
    if(NOT fields MATCHES "(^|, )${dependency}")
      message(FATAL_ERROR "${name} depends on \"${fields}\", not on ${dependency}")
    endif()
  endforeach()
  run(COMMAND dpkg-deb --contents ${deb} OUTPUT contents)
  foreach(file ${files})
    if(NOT contents MATCHES "${file}")
      message(FATAL_ERROR "${name} lacks ${file}:\n${contents}")
    endif()
  endforeach()
  if(contents MATCHES "${never}")
    message(FATAL_ERROR "${name} holds ${never}:\n${contents}")
  endif()
  run(COMMAND dpkg-deb --extract ${deb} ${root})
  message(STATUS "${name}: ${fields}")
endfunction()
check_deb(libscorefield0 "libc6" "/libscorefield\\.so\\.0\\.[0-9.]+;/libscorefield\\.so\\.0 ->;LICENSE"
          "/include/|\\.a\n|/bin/|/libscorefield\\.so ->|\\.cmake")
check_deb(libscorefield-dev "libscorefield0 \\(= ${VERSION}\\)"
  "/core\\.h;/scorefield\\.hpp;/libscorefield\\.so ->;/libscorefield\\.a;\\.cmake;\\.pc;/fortran/kde\\.f90"
  "/bin/|libscorefield\\.so\\.0\\.")
check_deb(scorefield "libscorefield0 \\(= ${VERSION}\\);libc6" "/usr/bin/scorefield" "/include/|libscorefield")

set(prefix "${root}/usr")
use_package()
