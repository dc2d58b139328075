# Launchers on the fake kernel with TEEs. Golden transcripts: golden/, renewed with BARTIZAN_UPDATE_GOLDEN=1.
bartizan_test(launch_tee_test LABEL fake-kvm
  SOURCES launch_pre_attestation_test.cpp launch_sev_test.cpp launch_snp_test.cpp launch_tdx_test.cpp launch_stub_test.cpp launch_failures_test.cpp launch_options_test.cpp
    launch_probe_test.cpp launch_hardware_check_test.cpp
  USES vmm/machine hardware_check LINKS bartizan_tee_kernel OpenSSL::Crypto)
