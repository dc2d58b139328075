#!/bin/sh
# install_test.sh BUILD_FOLDER: installs into a folder of its own and builds the examples from there alone: C by pkg-config,
# C and C++ by the CMake package. Then uninstalls.
set -eu
build=$1
source=$(readlink -f "$(dirname "$0")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install() { cmake --install "$build" --prefix "$work/prefix" > "$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }; }

# The manifest names every file, so that what goes by it leaves nothing.
install
(cd "$work/prefix" && find "$PWD" ! -type d | sort) > "$work/there"
sort "$build/install_manifest.txt" > "$work/listed"
diff "$work/there" "$work/listed" || { echo "install_manifest.txt does not list what was installed" >&2; exit 1; }
ninja -C "$build" uninstall > "$work/uninstall.log" || { cat "$work/uninstall.log" >&2; exit 1; }
find "$work/prefix" \( ! -type d -o -iname '*bartizan*' \) | grep . && { echo "uninstall leaves these" >&2; exit 1; }
grep -q '^CMAKE_BUILD_TYPE:.*=Release$' "$build/CMakeCache.txt" || grep -q 'build, for developers' "$work/install.log" ||
  { echo "the installation of a developers' build is not told" >&2; exit 1; }

install
cmp "$source/LICENSE" "$work/prefix/share/doc/bartizan/LICENSE"
test -x "$work/prefix/lib/bartizan/init" || { echo "the guest's init is not installed" >&2; exit 1; }
bash -n "$work/prefix/share/bash-completion/completions/bartizan"
pc=$(dirname "$(find "$work/prefix" -name bartizan.pc)")

# The moved installation shows that nothing points back into the build folder.
mv "$work/prefix" "$work/moved"
pc=$work/moved/${pc#"$work/prefix/"}
compile() { # EXAMPLE PACKAGE
  # shellcheck disable=SC2046
  cc -std=c99 -Wall -Wextra -pedantic -Werror "$source/examples/c/$1.c" -o "$work/$1_c" \
    $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs "$2")
}
compile launch bartizan
compile protect bartizan-tools
libraries=$(dirname "$pc")
usage() { # PROGRAM: without arguments it tells its usage and exits with 2
  status=0
  LD_LIBRARY_PATH=$libraries "$1" 2> "$work/usage" || status=$?
  [ "$status" = 2 ] && grep -q '^usage: [lp]' "$work/usage"
}
usage "$work/launch_c" && usage "$work/protect_c" || { echo "a C example does not run" >&2; exit 1; }
without_tools() { # PROGRAM, which launches: nothing of the builder and the broker is loaded
  LD_LIBRARY_PATH=$libraries ldd "$1" > "$work/loaded"
  ! grep -E 'libbartizan_tools|libarchive|libext2fs|libcryptsetup|libsqlite3' "$work/loaded" >&2
}
without_tools "$work/launch_c" || { echo "the C example loads more than it needs" >&2; exit 1; }

mkdir "$work/consumer"
cat > "$work/consumer/CMakeLists.txt" << END
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
find_package(bartizan 0.1 REQUIRED)
find_package(Bartizan 0.1 REQUIRED)
add_executable(launch_c $source/examples/c/launch.c)
target_link_libraries(launch_c bartizan::bartizan)
add_executable(protect_c $source/examples/c/protect.c)
target_link_libraries(protect_c bartizan::tools)
add_executable(launch_cpp $source/examples/cpp/launch.cpp)
target_link_libraries(launch_cpp bartizan::cpp)
END
cmake -G Ninja -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_PREFIX_PATH="$work/moved" > "$work/cmake.log" &&
  ninja -C "$work/consumer/build" >> "$work/cmake.log" || { cat "$work/cmake.log" >&2; exit 1; }
usage "$work/consumer/build/launch_c" && usage "$work/consumer/build/protect_c" && usage "$work/consumer/build/launch_cpp" || { echo "an example built by the CMake package does not run" >&2; exit 1; }
without_tools "$work/consumer/build/launch_cpp" || { echo "the C++ example loads more than it needs" >&2; exit 1; }
# The C++ library by pkg-config: the object that CMake compiled, linked anew.
# shellcheck disable=SC2046
c++ "$(find "$work/consumer/build" -name launch.cpp.o)" -o "$work/launch_cpp" $(PKG_CONFIG_PATH=$pc pkg-config --libs bartizan-cpp)
usage "$work/launch_cpp" || { echo "the C++ example linked by pkg-config does not run" >&2; exit 1; }
without_tools "$work/launch_cpp" || { echo "the C++ example linked by pkg-config loads more than it needs" >&2; exit 1; }
"$work/moved/bin/bartizan" --version > "$work/version"
grep -q '^0\.' "$work/version"
test -s "$work/moved/share/man/man1/bartizan-run.1" || { echo "the man pages are not installed" >&2; exit 1; }
