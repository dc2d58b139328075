# The fake kernel with SEV, SEV-ES, SEV-SNP and TDX: LINKS bartizan_tee_kernel. On OpenSSL alone, not on src/crypto
# and src/tee, which it judges.
add_library(bartizan_tee_kernel STATIC
  tee_kernel.cpp tee_kernel_chain.cpp tee_kernel_digest.cpp tee_kernel_firmware.cpp tee_kernel_guest.cpp tee_kernel_memory.cpp
  tee_kernel_sev.cpp tee_kernel_snp.cpp tee_kernel_tdx.cpp tee_kernel_vm.cpp tee_kernel_vmsa.cpp)
target_link_libraries(bartizan_tee_kernel PUBLIC bartizan_fakes fmt::fmt PRIVATE OpenSSL::Crypto)
