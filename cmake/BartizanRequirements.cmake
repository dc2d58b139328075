# What the build needs of the system, looked for before anything else: all that is missing is told at once, by the names of
# Debian's packages. scripts/packages/build.txt is the same list with the programs.
set(requirements
  libssl-dev:openssl/ssl.h libfmt-dev:fmt/format.h nlohmann-json3-dev:nlohmann/json.hpp libcryptsetup-dev:libcryptsetup.h
  libargon2-dev:argon2.h libarchive-dev:archive.h zlib1g-dev:zlib.h libzstd-dev:zstd.h liblz4-dev:lz4.h
  libext2fs-dev:ext2fs/ext2fs.h comerr-dev:et/com_err.h libslirp-dev:slirp/libslirp.h liburing-dev:liburing.h
  libsqlite3-dev:sqlite3.h libboost1.81-dev:boost/beast/http/parser.hpp libcli11-dev:CLI/CLI.hpp)
if(BARTIZAN_PYTHON)
  list(APPEND requirements pybind11-dev:pybind11/pybind11.h)
endif()
if(BARTIZAN_TESTS)
  list(APPEND requirements libgtest-dev:gtest/gtest.h libgmock-dev:gmock/gmock.h)
endif()

set(missing "")
foreach(requirement ${requirements})
  string(REGEX MATCH "^([^:]+):(.+)$" matched ${requirement})
  set(package ${CMAKE_MATCH_1})
  string(MAKE_C_IDENTIFIER "BARTIZAN_HEADER_${package}" variable)
  find_path(${variable} ${CMAKE_MATCH_2})
  mark_as_advanced(${variable})
  if(NOT ${variable})
    list(APPEND missing ${package})
  endif()
endforeach()
find_program(BARTIZAN_PKG_CONFIG NAMES pkg-config pkgconf)
mark_as_advanced(BARTIZAN_PKG_CONFIG)
if(NOT BARTIZAN_PKG_CONFIG)
  list(APPEND missing pkg-config)
endif()
if(BARTIZAN_PYTHON)
  find_package(Python 3.9 QUIET COMPONENTS Interpreter Development.Module)
  if(NOT Python_Development.Module_FOUND)
    list(APPEND missing python3-dev)
  endif()
endif()

if(missing)
  list(JOIN missing " " missing)
  message(FATAL_ERROR "The build needs what is not installed here: ${missing}. On Debian:\n\n  sudo apt-get install ${missing}\n")
endif()
