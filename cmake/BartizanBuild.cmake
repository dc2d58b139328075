# Build settings shared by every room, and the functions that declare rooms and tests.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # TRY is a statement expression
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # NOHASHDIR: several build folders of one checkout share their objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_NOHASHDIR=1 ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER env CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers)
add_compile_definitions(_GLIBCXX_ASSERTIONS _FILE_OFFSET_BITS=64)
if(BARTIZAN_SANITIZE)
  add_compile_options(-fsanitize=${BARTIZAN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BARTIZAN_SANITIZE})
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)

# bartizan_room(NAME SOURCES a.cpp … USES room … LINKS external …): the static library bartizan_NAME. USES is the
# law of docs/ARCHITECTURE.md in code: what is not listed cannot be linked.
function(bartizan_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES;LINKS;PUBLIC_LINKS" ${ARGN})
  add_library(bartizan_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(bartizan_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM ROOM_USES PREPEND bartizan_)
  target_link_libraries(bartizan_${name} PUBLIC ${ROOM_USES} ${ROOM_PUBLIC_LINKS} PRIVATE ${ROOM_LINKS})
endfunction()

# bartizan_test(NAME LABEL label SOURCES a.cpp … USES room … LINKS …): one GoogleTest program, registered with ctest
# under LABEL (unit, fake-kvm, kvm, image, attest, e2e, fuzz-regress, abi, example, check).
function(bartizan_test name)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT" "SOURCES;USES;LINKS;ARGS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)  # beside a build and an emulated host
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  list(TRANSFORM TEST_USES PREPEND bartizan_)
  target_link_libraries(${name} PRIVATE ${TEST_USES} ${TEST_LINKS} GTest::gtest GTest::gmock bartizan_test_main)
  target_compile_definitions(${name} PRIVATE
    BARTIZAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" BARTIZAN_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT TEST_LABEL MATCHES "^(kvm|abi)$")
    add_dependencies(test_programs ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} ${TEST_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABEL}" TIMEOUT ${TEST_TIMEOUT})
endfunction()
