bartizan_fuzz(jwe_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/jwe_fuzz.cpp USES attest/broker attest/verify)
