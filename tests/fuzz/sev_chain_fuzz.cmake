bartizan_fuzz(sev_chain_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/sev_chain_fuzz.cpp USES attest/broker attest/verify)
