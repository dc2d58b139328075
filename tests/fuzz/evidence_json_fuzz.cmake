bartizan_fuzz(evidence_json_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/evidence_json_fuzz.cpp USES attest/broker attest/verify)
