bartizan_fuzz(snp_report_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/snp_report_fuzz.cpp USES attest/broker attest/verify)
