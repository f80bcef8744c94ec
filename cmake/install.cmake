# What `cmake --install` installs: headers, both libraries, the command, a CMake package, a pkg-config
# file and the Fortran modules' sources. Everything is found relative to where it lies, so the prefix
# can be moved. In three components, which are also the Debian packages: library, development, tools.
include(CMakePackageConfigHelpers)

set(SCF_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/scorefield)

install(DIRECTORY include/scorefield DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT development FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
# Compiled modules serve one compiler alone: Fortran's users compile the sources with theirs.
install(DIRECTORY capi/fortran/ DESTINATION ${CMAKE_INSTALL_DATADIR}/scorefield/fortran
        COMPONENT development FILES_MATCHING PATTERN "*.f90" PATTERN kde_score.f90 EXCLUDE)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)

# Two exports: users of the shared library need none of the packages that the static one does.
install(TARGETS ${SCF_INSTALLED_LIBRARY} EXPORT scorefield_shared
        LIBRARY COMPONENT library NAMELINK_COMPONENT development)
install(TARGETS scorefield_static EXPORT scorefield_static ARCHIVE COMPONENT development)
foreach(kind shared static)
  install(EXPORT scorefield_${kind} NAMESPACE scorefield:: FILE scorefield_${kind}.cmake
          DESTINATION ${SCF_PACKAGE_DIR} COMPONENT development)
endforeach()
if(TARGET scorefield_command)
  file(RELATIVE_PATH library_from_binary
       /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
  set_target_properties(scorefield_command PROPERTIES
    INSTALL_RPATH "$ORIGIN/${library_from_binary}")
  install(TARGETS scorefield_command RUNTIME COMPONENT tools)
endif()

configure_package_config_file(cmake/scorefieldConfig.cmake.in
  ${PROJECT_BINARY_DIR}/scorefieldConfig.cmake INSTALL_DESTINATION ${SCF_PACKAGE_DIR})
# Before 1.0 a minor version may change the ABI.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scorefieldConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scorefieldConfig.cmake
              ${PROJECT_BINARY_DIR}/scorefieldConfigVersion.cmake
        DESTINATION ${SCF_PACKAGE_DIR} COMPONENT development)

# For `pkg-config --static`; a C program links the C++ runtime by name.
set(SCF_PC_PRIVATE_LIBRARIES "-lhwy -lstdc++ -lm -pthread")
if(SCF_THREADS STREQUAL "TBB")
  string(PREPEND SCF_PC_PRIVATE_LIBRARIES "-ltbb ")
endif()
if(SCF_HAS_CUDA)
  string(APPEND SCF_PC_PRIVATE_LIBRARIES " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -ldl -lrt")
endif()
file(RELATIVE_PATH SCF_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" SCF_PREFIX_FROM_PC "${SCF_PREFIX_FROM_PC}")
configure_file(cmake/scorefield.pc.in ${PROJECT_BINARY_DIR}/scorefield.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/scorefield.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
