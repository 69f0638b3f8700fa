# Builds ossnap-capture for arm64 on another machine (Debian: gcc-aarch64-linux-gnu):
#
#   cmake -S . -B build/arm64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DOSSNAP_SYSROOT=DIR
#   ninja -C build/arm64 ossnap-capture
#
# OSSNAP_SYSROOT holds the :arm64 -dev packages of the libraries that capture/CMakeLists.txt links,
# unpacked; libc comes with the compiler.  tests/vm/arm64.sh fills one.  ossnap-analyze is not built
# this way: it runs wherever the archive was brought to.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OSSNAP_SYSROOT)
if(NOT OSSNAP_SYSROOT)
	message(FATAL_ERROR "OSSNAP_SYSROOT: the directory of the unpacked :arm64 -dev packages is not given")
endif()
set(CMAKE_C_FLAGS_INIT "-isystem ${OSSNAP_SYSROOT}/usr/include -isystem ${OSSNAP_SYSROOT}/usr/include/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${OSSNAP_SYSROOT}/usr/lib/aarch64-linux-gnu")
