# The fake kernel's TEEs, judged by hand-made call sequences; no launcher of ours is in these.
bartizan_test(fake_tee_test LABEL fake-kvm
  SOURCES tee_guest_test.cpp tee_memory_test.cpp tee_sev_test.cpp tee_snp_test.cpp tee_tdx_test.cpp
  USES kvm LINKS bartizan_tee_kernel OpenSSL::Crypto)
