# Installs the build into a prefix with a space in its path, moves the prefix, and builds and runs
# separate projects against it. Arguments: BUILD_DIR, VERSION, CC, CXX, FC and CARGO (or ""),
# SOURCE_DIR, NINJA, GENERATOR, PKG_CONFIG, LIBDIR, CONSUMER, WORK_DIR.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/use_package.cmake)

file(REMOVE_RECURSE ${WORK_DIR})
set(first "${WORK_DIR}/first prefix")
set(prefix "${WORK_DIR}/moved prefix")
run(COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${first})
file(RENAME ${first} ${prefix})

use_package()

# ---- Rust: the crate finds the library by pkg-config -----------------------------------------------
if(CARGO)
  run(COMMAND ${CMAKE_COMMAND} -E env --unset=SCOREFIELD_LIB_DIR CARGO_TARGET_DIR=${WORK_DIR}/rust
              PKG_CONFIG=${PKG_CONFIG} "PKG_CONFIG_PATH=${prefix}/${LIBDIR}/pkgconfig"
              ${CARGO} build --offline --quiet --manifest-path ${SOURCE_DIR}/capi/rust/Cargo.toml
              --example kde_score)
  run(COMMAND ${WORK_DIR}/rust/debug/examples/kde_score OUTPUT output)
  check_kde_score("the Rust program" "${output}")
endif()

# ---- What cannot be found -------------------------------------------------------------------------
foreach(case "99.0;shared;99.0" "${VERSION};nonsense;nonsense")
  list(GET case 0 version)
  list(GET case 1 kind)
  list(GET case 2 complaint)
  run(COMMAND ${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK_DIR}/refused-${complaint} -G ${GENERATOR}
              -D CMAKE_MAKE_PROGRAM=${NINJA} -D CMAKE_C_COMPILER=${CC} -D KIND=${kind}
              -D VERSION=${version} -D CMAKE_PREFIX_PATH=${prefix}
      FAILS_WITH "${complaint}")
endforeach()
