# Builds the Debian packages of a build and looks into them; dpkg unpacks them, with records of its own,
# below a folder with a space in its path, where they are used by separate projects. What is left out of an
# installation is ldconfig, for which the folder would have to be a whole system. Nothing of the machine is
# changed. Arguments: those of check_package.cmake, and CPACK.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/use_package.cmake)

file(REMOVE_RECURSE ${WORK_DIR})
run(COMMAND ${CPACK} -G DEB -B ${WORK_DIR} --config ${BUILD_DIR}/CPackConfig.cmake
            -D CPACK_DEBIAN_COMPRESSION_TYPE=none)  # which takes no time
set(root "${WORK_DIR}/root of packages")
set(records "${root}/var/lib/dpkg")
file(MAKE_DIRECTORY ${root} ${records}/info ${records}/updates)
file(TOUCH ${records}/status ${records}/available)
set(debs "")

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
  set(debs ${debs} ${deb} PARENT_SCOPE)
  message(STATUS "${name}: ${fields}")
endfunction()
check_deb(libscorefield0 "libc6" "/libscorefield\\.so\\.0\\.[0-9.]+;/libscorefield\\.so\\.0 ->;LICENSE"
          "/include/|\\.a\n|/bin/|/libscorefield\\.so ->|\\.cmake")
check_deb(libscorefield-dev "libscorefield0 \\(= ${VERSION}\\)"
  "/core\\.h;/scorefield\\.hpp;/libscorefield\\.so ->;/libscorefield\\.a;\\.cmake;\\.pc;/fortran/kde\\.f90"
  "/bin/|libscorefield\\.so\\.0\\.")
check_deb(scorefield "libscorefield0 \\(= ${VERSION}\\);libc6" "/usr/bin/scorefield" "/include/|libscorefield")

# All at once: of two that hold the same file dpkg would refuse the second.
run(COMMAND dpkg --instdir=${root} --admindir=${records} --force-not-root,bad-path --log=/dev/null
            --unpack ${debs})
run(COMMAND dpkg --admindir=${records} --search /usr/lib*/libscorefield.so* OUTPUT owners)
if(NOT owners MATCHES "libscorefield-dev: [^\n]*libscorefield\\.so(\n|$)" OR
   NOT owners MATCHES "libscorefield0: [^\n]*libscorefield\\.so\\.0(\n|$)")
  message(FATAL_ERROR "dpkg records the library as\n${owners}")
endif()

set(prefix "${root}/usr")
use_package()
