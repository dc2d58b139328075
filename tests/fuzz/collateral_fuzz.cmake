bartizan_fuzz(collateral_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/collateral_fuzz.cpp USES attest/verify)
