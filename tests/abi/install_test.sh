#!/bin/sh
# install_test.sh BUILD_FOLDER: installs into a folder of its own and builds the examples from there alone: C by pkg-config,
# C and C++ by the CMake package.
set -eu
build=$1
source=$(readlink -f "$(dirname "$0")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" > "$work/install.log" || { cat "$work/install.log"; exit 1; }
pc=$(dirname "$(find "$work/prefix" -name bartizan.pc)")

find "$work/prefix" -name LICENSE | xargs cmp "$source/LICENSE" || { echo "no licence is installed" >&2; exit 1; }

# The moved installation shows that nothing points back into the build folder.
mv "$work/prefix" "$work/moved"
pc=$work/moved/${pc#"$work/prefix/"}
flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs bartizan)
# shellcheck disable=SC2086
cc -std=c99 -Wall -Wextra -pedantic -Werror "$source/examples/c/launch.c" -o "$work/launch_c" $flags
libraries=$(dirname "$pc")
usage() { # PROGRAM: without arguments it tells its usage and exits with 2
  status=0
  LD_LIBRARY_PATH=$libraries "$1" 2> "$work/usage" || status=$?
  [ "$status" = 2 ] && grep -q '^usage: launch' "$work/usage"
}
usage "$work/launch_c" || { echo "the C example does not run" >&2; exit 1; }

mkdir "$work/consumer"
cat > "$work/consumer/CMakeLists.txt" << END
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
find_package(Bartizan 0.1 REQUIRED)
add_executable(launch_c $source/examples/c/launch.c)
target_link_libraries(launch_c bartizan::bartizan)
add_executable(launch_cpp $source/examples/cpp/launch.cpp)
target_link_libraries(launch_cpp bartizan::cpp)
END
cmake -G Ninja -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_PREFIX_PATH="$work/moved" > "$work/cmake.log" &&
  ninja -C "$work/consumer/build" >> "$work/cmake.log" || { cat "$work/cmake.log" >&2; exit 1; }
usage "$work/consumer/build/launch_c" && usage "$work/consumer/build/launch_cpp" || { echo "an example built by the CMake package does not run" >&2; exit 1; }
"$work/moved/bin/bartizan" --version > "$work/version"
grep -q '^0\.' "$work/version"
test -s "$work/moved/share/man/man1/bartizan-run.1" || { echo "the man pages are not installed" >&2; exit 1; }
