# What others link and call. The components behind the C++ API in two parts: bartizan_launching for a runtime that
# launches, bartizan_tools for what happens before and elsewhere (images, bundles, the broker); bartizan_cpp is both.
# Then the C ABI (a library for each part), libkrun's interface, Python, the command line.
add_library(bartizan_launching INTERFACE)
bartizan_targets_of("vmm/machine;vmm/host;plan/measure;plan/bundle;attest/verify;attest/client" launching)
target_link_libraries(bartizan_launching INTERFACE ${launching})
add_library(bartizan_tools INTERFACE)
bartizan_targets_of("plan/bundle/create;image/builder;attest/broker" tools)
target_link_libraries(bartizan_tools INTERFACE ${tools})
add_library(bartizan_cpp INTERFACE)
target_link_libraries(bartizan_cpp INTERFACE bartizan_launching bartizan_tools)
add_library(bartizan::cpp ALIAS bartizan_cpp)

foreach(interface bindings/common bindings/c bindings/krun bindings/python src/cli)
  add_subdirectory(${interface})
endforeach()
if(NOT SKBUILD)
  include(BartizanInstall)
endif()
