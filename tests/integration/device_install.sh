#!/bin/sh
# Installs the device library into a directory of its own and builds a program against what is there:
# with CMake, with pkg-config, against the archives and the shared libraries. Prints ok and fail lines.
# shellcheck disable=SC2317 # the functions are called by name, through check
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
prefix=$work/prefix
failed=0

# check NAME COMMAND...: runs it; what it says is shown only when it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $name"
    else
        echo "fail $name"
        sed 's/^/    /' "$work/log"
        failed=1
    fi
}

configure() {
    cmake -S "$root" -B "$work/build" -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_BUILD_TYPE=Release -DSIGBRIDGE_BRIDGE=OFF -DSIGBRIDGE_CAMERA=OFF
}

build() {
    cmake --build "$work/build" --parallel 2
}

install_it() {
    cmake --install "$work/build" --component device
}

# only_public FILE NM-OPTION: every global symbol begins with sigdev_, and there are some.
only_public() {
    nm "$2" --defined-only -g "$1" | awk 'NF == 3 { print $3 }' >"$work/symbols"
    [ -s "$work/symbols" ] && ! grep -v '^sigdev_' "$work/symbols"
}

# The example, against the package that find_package() finds.
by_cmake() {
    mkdir -p "$work/consumer"
    cat >"$work/consumer/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(sigdev 0.1 REQUIRED COMPONENTS core mosquitto)
add_executable(core_only $root/clients/device-c/example/core_only.c)
target_link_libraries(core_only sigdev::core)
add_executable(echo $root/clients/device-c/example/echo.c)
target_link_libraries(echo sigdev::mosquitto)
add_executable(echo_shared $root/clients/device-c/example/echo.c)
target_link_libraries(echo_shared sigdev::mosquitto-shared)
END
    cmake -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$work/consumer/build"
}

missing_component() {
    mkdir -p "$work/wrong"
    cat >"$work/wrong/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(wrong C)
find_package(sigdev 0.1 REQUIRED COMPONENTS teapot)
END
    ! cmake -S "$work/wrong" -B "$work/wrong/build" -DCMAKE_PREFIX_PATH="$prefix"
}

# pc NAME [OPTION]: flags of the installed pkg-config file.
pc() {
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs ${2+"$2"} "$1"
}

# shellcheck disable=SC2046 # flags, one per word
by_pkgconfig() {
    cc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror "$root/clients/device-c/example/core_only.c" \
        -o "$work/core_only" $(pc sigdev-core) &&
        cc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror "$root/clients/device-c/example/echo.c" \
            -o "$work/echo" $(pc sigdev)
}

# shellcheck disable=SC2046 # flags, one per word
by_pkgconfig_static() {
    rm -rf "$work/static" && cp -r "$prefix" "$work/static" && rm -f "$work"/static/lib/*.so*
    cc -std=c17 -D_GNU_SOURCE "$root/clients/device-c/example/echo.c" -o "$work/echo_static" \
        -I"$work/static/include" -L"$work/static/lib" \
        $(pc sigdev --static | tr ' ' '\n' | grep -v "$prefix")
}

# shellcheck disable=SC2046 # flags, one per word
by_cxx() {
    cat >"$work/program.cc" <<'END'
#include <sigdev/mosquitto.h>
int main()
{
    struct sigdev_message m = {};
    char out[64];
    m.type = SIGDEV_BYE;
    return sigdev_write(&m, out, sizeof out, nullptr);
}
END
    c++ -Wall -Wextra -Werror "$work/program.cc" -o "$work/program" $(pc sigdev) &&
        LD_LIBRARY_PATH=$prefix/lib "$work/program"
}

# echo says how it is used when it is started without arguments, and that it cannot connect.
runs() {
    LD_LIBRARY_PATH=$prefix/lib "$1" 2>&1 | grep -q '^usage: echo'
}

loops_back() {
    LD_LIBRARY_PATH=$prefix/lib "$1" | grep -q 'cam1: offer from viewer, call "tab-1"'
}

check "configure" configure
check "build" build
check "install" install_it
check "archive of the core exports sigdev_ only" only_public "$prefix/lib/libsigdev-core.a" -p
check "archive of the adapter exports sigdev_ only" only_public "$prefix/lib/libsigdev.a" -p
check "shared core exports sigdev_ only" only_public "$prefix/lib/libsigdev-core.so" -D
check "shared adapter exports sigdev_ only" only_public "$prefix/lib/libsigdev.so" -D
check "build by CMake" by_cmake
check "the core's example, by CMake" loops_back "$work/consumer/build/core_only"
check "the adapter's example, by CMake" runs "$work/consumer/build/echo"
check "the adapter's example, by CMake, shared" runs "$work/consumer/build/echo_shared"
check "an unknown component is refused" missing_component
check "build by pkg-config" by_pkgconfig
check "the core's example, by pkg-config" loops_back "$work/core_only"
check "the adapter's example, by pkg-config" runs "$work/echo"
check "build by pkg-config, static" by_pkgconfig_static
check "the adapter's example, static" runs "$work/echo_static"
# The project itself has no use for a C++ compiler, so there may be none.
command -v c++ >/dev/null && check "the headers in C++" by_cxx
exit $failed
