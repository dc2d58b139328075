# The fake kernel's TEEs, judged by hand-made call sequences; no launcher of ours is in these.
bartizan_test(fake_tee_test KIND fake_kvm
  SOURCES tee_guest_test.cpp tee_memory_test.cpp tee_sev_test.cpp tee_snp_test.cpp tee_tdx_test.cpp
  USES vmm/kvm LINKS bartizan_tee_kernel OpenSSL::Crypto)
# The same digests by two hands: src/tee from plans, the fake kernel from calls.
bartizan_test(fake_tee_agreement_test KIND fake_kvm SOURCES tee_agreement_test.cpp USES plan/tee LINKS bartizan_tee_kernel)
bartizan_test(fake_tee_machine_test KIND fake_kvm SOURCES tee_machine_test.cpp USES vmm/machine hardware_check LINKS bartizan_tee_kernel)

if(BARTIZAN_SANITIZE)
  return()  # it compiles only: once is enough
endif()
find_package(Python3 COMPONENTS Interpreter REQUIRED)
add_test(NAME tee_abi_mirror COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/tee_abi_mirror.py
  ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/kernel-headers ${CMAKE_CXX_COMPILER})
set_tests_properties(tee_abi_mirror PROPERTIES LABELS differential TIMEOUT 600 SKIP_RETURN_CODE 77)
