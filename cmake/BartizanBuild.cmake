# Build settings shared by every component, and the functions that declare components and tests.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # TRY is a statement expression
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "As installed; developers use the presets" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # NOHASHDIR and BASEDIR: several build folders of one checkout share their objects. Without BASEDIR no file of a unity
  # build is found again, because its own path is in the build folder.
  # IGNOREOPTIONS: a build that warned without -Werror is not in the cache of one that has it, because the presets
  # that share the other flags share this one.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
    CCACHE_IGNOREOPTIONS=-Werror ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers)
if(BARTIZAN_WARNINGS_AS_ERRORS)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 believes that an empty std::optional is read. In all presets: the demo's objects are those of dev then.
  add_compile_options(-Wno-error=maybe-uninitialized)
endif()
if(BARTIZAN_WARNINGS_AS_ERRORS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    if(BARTIZAN_SANITIZE)
      # Instrumented code leads the optimizer's own warnings astray. The dev preset refuses what is true of them.
      add_compile_options(-Wno-error=array-bounds -Wno-error=stringop-overflow -Wno-error=stringop-overread
        -Wno-error=restrict -Wno-error=nonnull -Wno-error=dangling-pointer -Wno-error=free-nonheap-object)
    endif()
    if(BARTIZAN_SANITIZE STREQUAL "thread")
      add_compile_options(-Wno-error=tsan)  # it does not follow fences; nothing else orders the rings of virtio
    endif()
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # base/thread_annotations.hpp: locks are held where members need them, and taken in the declared order.
  add_compile_options(-Wthread-safety -Wthread-safety-beta)
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS _FILE_OFFSET_BITS=64)
add_link_options(LINKER:--as-needed)  # a program loads the libraries that it calls, not all that its components name
if(BARTIZAN_SANITIZE)
  add_compile_options(-fsanitize=${BARTIZAN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BARTIZAN_SANITIZE})
endif()

if(CMAKE_UNITY_BUILD)
  # Several files of a component are compiled as one: most of a file's time goes into headers. The presets clang and fuzz
  # compile each file by itself. Files with names that meet those of a neighbour are APART
  # (bartizan_component).
  set(CMAKE_UNITY_BUILD_UNIQUE_ID BARTIZAN_FILE)
  # In two words: ccache then knows that it is a path, and checkouts beside each other share their objects.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include ${CMAKE_CURRENT_LIST_DIR}/unity_build.hpp>")
  # The first means types of a main file; the second errs where more is inlined than in one file.
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage;-Wno-maybe-uninitialized>")
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)

# The target of a component: "image/oci" is bartizan_image_oci.
function(bartizan_target_of component result)
  string(REPLACE "/" "_" target "bartizan_${component}")
  set(${result} ${target} PARENT_SCOPE)
endfunction()

function(bartizan_targets_of components result)
  set(targets "")
  foreach(component ${components})
    bartizan_target_of(${component} target)
    list(APPEND targets ${target})
  endforeach()
  set(${result} ${targets} PARENT_SCOPE)
endfunction()

# Records a component and its dependency rule: its name (the path below src/, or below the top folder), one line of what
# it is, and what it may use. components.json in the build folder has all of them in the order of declaration;
# tests/checks/test_components.py compares it with includes and symbols, scripts/make-components draws it.
function(bartizan_record_component name is uses)
  list(JOIN uses "\", \"" quoted)
  if(quoted)
    set(quoted "\"${quoted}\"")
  endif()
  set_property(GLOBAL APPEND PROPERTY bartizan_components
    "  \"${name}\": {\"is\": \"${is}\", \"uses\": [${quoted}]}")
endfunction()

# bartizan_component(IS "one line" SOURCES a.cpp … USES component … LINKS external … PUBLIC_LINKS external … APART a.cpp …):
# the static library of the folder that calls it. The path of the folder below src/ is the component's name and, below
# bartizan::, its namespace. USES is its dependency rule: what its files include, or whose public functions they call.
# APART: sources that a unity build compiles by themselves.
function(bartizan_component)
  cmake_parse_arguments(COMPONENT "" "IS" "SOURCES;USES;LINKS;PUBLIC_LINKS;APART" ${ARGN})
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${CMAKE_SOURCE_DIR}/src OUTPUT_VARIABLE name)
  bartizan_target_of(${name} target)
  bartizan_targets_of("${COMPONENT_USES}" uses)
  add_library(${target} STATIC ${COMPONENT_SOURCES})
  if(COMPONENT_APART)
    set_source_files_properties(${COMPONENT_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC ${uses} ${COMPONENT_PUBLIC_LINKS} PRIVATE ${COMPONENT_LINKS})
  bartizan_record_component(${name} "${COMPONENT_IS}" "${COMPONENT_USES}")
  set_property(GLOBAL APPEND PROPERTY bartizan_component_targets ${target})
endfunction()

# Call once, after the last component.
function(bartizan_write_components)
  get_property(lines GLOBAL PROPERTY bartizan_components)
  list(JOIN lines ",\n" text)
  file(WRITE ${CMAKE_BINARY_DIR}/components.json.new "{\n${text}\n}\n")
  file(COPY_FILE ${CMAKE_BINARY_DIR}/components.json.new ${CMAKE_BINARY_DIR}/components.json ONLY_IF_DIFFERENT)
endfunction()

# bartizan_test_needs(KIND target …): `scripts/test KIND` builds these before it runs the tests of that kind.
function(bartizan_test_needs kind)
  if(NOT TARGET tests_${kind})
    add_custom_target(tests_${kind})
  endif()
  add_dependencies(tests_${kind} ${ARGN})
endfunction()

# bartizan_test(NAME KIND kind SOURCES a.cpp … USES component … LINKS …): one GoogleTest program. KIND is a folder of tests/,
# a label of ctest, and the target tests_KIND. Further labels: THREADS, it runs under the thread sanitizer too;
# UNSANITIZED, it has cases that the address sanitizer cannot run; SOAK, it has cases that `scripts/test soak` runs.
function(bartizan_test name)
  cmake_parse_arguments(TEST "THREADS;UNSANITIZED;SOAK" "KIND;TIMEOUT" "SOURCES;USES;LINKS;ARGS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)  # beside a build and an emulated host
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  bartizan_targets_of("${TEST_USES}" uses)
  target_link_libraries(${name} PRIVATE ${uses} ${TEST_LINKS} GTest::gtest GTest::gmock bartizan_test_main)
  target_compile_definitions(${name} PRIVATE
    BARTIZAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" BARTIZAN_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} ${TEST_ARGS})
  set(labels ${TEST_KIND})
  foreach(flag THREADS UNSANITIZED SOAK)
    if(TEST_${flag})
      string(TOLOWER ${flag} label)
      list(APPEND labels ${label})
    endif()
  endforeach()
  foreach(label ${labels})
    bartizan_test_needs(${label} ${name})
  endforeach()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${TEST_TIMEOUT})
  # For `scripts/test KIND NAME`, which finds a program by the suites in its sources.
  list(TRANSFORM TEST_SOURCES REPLACE "^([^/].*)$" "${CMAKE_CURRENT_SOURCE_DIR}/\\1")
  list(JOIN TEST_SOURCES "\", \"" sources)
  list(JOIN labels "\", \"" labels)
  set_property(GLOBAL APPEND PROPERTY bartizan_tests
    "  {\"name\": \"${name}\", \"labels\": [\"${labels}\"], \"sources\": [\"${sources}\"]}")
endfunction()

# Call once, after the last test: writes tests.json.
function(bartizan_write_tests)
  get_property(lines GLOBAL PROPERTY bartizan_tests)
  list(JOIN lines ",\n" text)
  file(WRITE ${CMAKE_BINARY_DIR}/tests.json "[\n${text}\n]\n")
endfunction()
