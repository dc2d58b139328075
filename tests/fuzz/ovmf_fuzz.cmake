bartizan_fuzz(ovmf_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/ovmf_fuzz.cpp USES plan/tee)
