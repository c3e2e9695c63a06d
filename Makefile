# SPDX-License-Identifier: Apache-2.0
# A thin front to CMake and scripts/.
#   make            build into build/, programs in build/bin/
#   make demo       install what is missing, build, run the main job on a real image
#   make check      install what is missing, build, run every test
#   make bench      measure the builder beside other tools (bench-build), chunk sizes (bench-dedup)
#   make bench-scale  hold memory and time to their bounds on very large images
#   make bench-vm   cold and warm reads in guests with our kernels: a table
#   make kernel     build a kernel with our series, KERNEL=6.1|6.12 CONFIG=normal|debug
#   make kernel-modules   cachefiles.ko and erofs.ko with our series for a Debian kernel
#   make format     clang-format, check-format only tells
#   make check-vm-debug   the tests that boot kernels, on kernels with KASAN, lockdep and the like
#   make check-modules    the modules of make kernel-modules in Debian's own kernels
#   make fuzz       run the fuzzers, SECONDS_EACH=60
#   make install    DESTDIR= PREFIX=/usr/local
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS_EACH ?= 60
RUNS ?= 5

.PHONY: all demo check check-vm-debug check-modules bench bench-vm bench-build bench-dedup bench-scale kernel kernel-modules fuzz format check-format install clean

all:
	@scripts/install-deps build
	@cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DONDEMAND_BUILD_TESTS=OFF >/dev/null
	@cmake --build $(BUILD)

demo:
	@scripts/install-deps build demo
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)/bin

check:
	@scripts/install-deps build test demo kernel vm
	@scripts/check

bench: bench-build bench-dedup

# RUNS=5: how often each command runs; the median counts.
bench-build: all
	@scripts/install-deps bench
	@scripts/bench-build $(BUILD)/bin --runs $(RUNS)

bench-dedup: all
	@scripts/install-deps bench
	@scripts/bench-dedup $(BUILD)/bin

# Memory and time of very large images; takes minutes and 4 GB of disk.
bench-scale: all
	@scripts/install-deps bench
	@scripts/bench-scale $(BUILD)/bin

bench-vm:
	@scripts/install-deps build test kernel vm
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev --target vm_helper -- --quiet
	@tests/vm/bench build-dev/bin/vm_helper

# KERNEL=6.1|6.12, CONFIG=normal|debug; prints the path of the bzImage.
kernel:
	@scripts/install-deps kernel
	@scripts/kernel/build

kernel-modules:
	@scripts/install-deps kernel
	@scripts/kernel/build-modules

# The modules in Debian's own kernels; needs their headers.
check-modules:
	@scripts/install-deps kernel vm
	@tests/vm/modules

check-vm-debug:
	@scripts/install-deps build test kernel vm
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- --quiet
	@ctest --preset dev -C VmDebug -L vm-debug

fuzz:
	@scripts/install-deps build test
	@scripts/fuzz $(SECONDS_EACH)

format:
	@git ls-files 'lib/*.h' 'lib/*.cpp' 'tools/*.h' 'tools/*.cpp' 'tests/*.h' 'tests/*.cpp' | xargs clang-format -i

check-format:
	@git ls-files 'lib/*.h' 'lib/*.cpp' 'tools/*.h' 'tools/*.cpp' 'tests/*.h' 'tests/*.cpp' | xargs clang-format --dry-run --Werror

install: all
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

clean:
	rm -rf -- $(BUILD) build-dev build-asan build-tsan build-fuzz build-coverage build-release
