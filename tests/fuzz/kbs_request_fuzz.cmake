bartizan_fuzz(kbs_request_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/kbs_request_fuzz.cpp USES attest/broker attest/verify)
