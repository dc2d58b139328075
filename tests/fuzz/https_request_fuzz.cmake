bartizan_fuzz(https_request_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/https_request_fuzz.cpp USES attest/https)
