# What others link and call: bartizan_cpp (all components behind the C++ API), the C ABI, Python, the command line.
add_library(bartizan_cpp INTERFACE)
bartizan_targets_of("vmm/machine;vmm/host;plan/measure;plan/bundle;image/builder;attest/broker;attest/verify;attest/client"
                    public_components)
target_link_libraries(bartizan_cpp INTERFACE ${public_components})
add_library(bartizan::cpp ALIAS bartizan_cpp)

foreach(interface bindings/common bindings/c bindings/python src/cli)
  add_subdirectory(${interface})
endforeach()
if(NOT SKBUILD)
  include(BartizanInstall)
endif()
