# make                installs what is missing, configures, builds: build/lib, build/bin
# make test           the same, then runs the tests
# make demo           the same, then runs the demo on real digits: build/demo
# make bench          builds and runs the benchmarks
# make bench-cuda     those of the CUDA backend, against cuBLAS and the device's limits
# make peers          what others do on the same work, beside this (minutes; pip installs them in build/peers)
# make deb            Debian packages of library, development files and command: build/deb/*.deb
# make install        installs into PREFIX (default /usr/local; DESTDIR is honoured)
# make test-cuda      the tests of the CUDA backend alone, on the GPU or else on the emulator ptxvm
# make cuda-report    what each CUDA kernel takes of a multiprocessor, and its work for a pair; of the
#                     machine code too, others' beside it (minutes; pip installs what that takes)
# make format, lint   clang-format, and what continuous integration checks of the sources
# make clean          removes build/
#
# BUILD=folder builds elsewhere; JOBS=n; CMAKE_FLAGS=... is handed to the first configuration.
BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
CMAKE_FLAGS ?=

BUILD_TARGET = cmake --build "$(BUILD)" --parallel $(JOBS)
SOURCES = git ls-files -co --exclude-standard -- '*.c' '*.cpp' '*.h' '*.hpp' '*.cu' '*.cuh'
# Files of the compile database that clang-tidy reads: all but the tests, which would take it longer than
# all else; the CUDA sources are not in the database.
TIDY_FILES = '/(capi|kernels|bench)/.*\.(c|cpp)$$'

.DEFAULT_GOAL := all
.PHONY: all packages test test-cuda demo bench bench-cuda peers install deb cuda-report format lint lint-format \
        lint-tidy clean help

all: $(BUILD)/build.ninja
	$(BUILD_TARGET)

packages:
	@./cmake/install-packages.sh

# Once; later changes of CMake files make ninja configure again by itself.
$(BUILD)/build.ninja: | packages
	cmake -S . -B "$(BUILD)" -G Ninja $(CMAKE_FLAGS)

# The cases of the CUDA backend come last, and the output ends with where they ran and how many.
test: all
	@status=0; \
	ctest --test-dir "$(BUILD)" --output-on-failure --parallel $(JOBS) -LE '^cuda$$' || status=1; \
	tests/run_cuda_cases.sh "$(abspath $(BUILD))" $(JOBS) || status=1; \
	exit $$status

test-cuda: all
	@tests/run_cuda_cases.sh "$(abspath $(BUILD))" $(JOBS) --required

demo bench bench-cuda peers cuda-report: $(BUILD)/build.ninja
	$(BUILD_TARGET) --target $@

install: all
	cmake --install "$(BUILD)" --prefix "$(PREFIX)"

# Configured for /usr, so that libraries lie where Debian has them.
deb: | packages
	cmake -S . -B "$(BUILD)/deb" -G Ninja -DCMAKE_INSTALL_PREFIX=/usr -DSCF_BUILD_TESTS=OFF \
	  -DSCF_BUILD_BENCH=OFF $(CMAKE_FLAGS)
	cmake --build "$(BUILD)/deb" --parallel $(JOBS)
	cd "$(BUILD)/deb" && cpack -G DEB

format: | packages
	$(SOURCES) | xargs clang-format -i

lint: lint-format lint-tidy

lint-format: | packages
	$(SOURCES) | xargs clang-format --dry-run -Werror

lint-tidy: | packages
	cmake --preset tidy --log-level=WARNING
	python3 cmake/tidy.py build/tidy $(JOBS) $(TIDY_FILES)

clean:
	rm -rf "$(BUILD)"

help:
	@sed -n 's/^# \{0,1\}//p;/^BUILD/q' Makefile
