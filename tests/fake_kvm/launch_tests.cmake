# Launchers on the fake kernel with TEEs. Golden transcripts: golden/, renewed by scripts/test --update-golden.
bartizan_test(launch_tee_test KIND fake_kvm THREADS
  SOURCES launch_pre_attestation_test.cpp launch_sev_test.cpp launch_snp_test.cpp launch_tdx_test.cpp launch_stub_test.cpp launch_failures_test.cpp launch_options_test.cpp
    launch_probe_test.cpp launch_hardware_check_test.cpp
  USES vmm/machine hardware_check LINKS bartizan_tee_kernel OpenSSL::Crypto)
