bartizan_fuzz(tdx_evidence_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/tdx_evidence_fuzz.cpp USES attest/verify)
