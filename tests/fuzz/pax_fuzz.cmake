bartizan_fuzz(pax_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/pax_fuzz.cpp USES image/tar)
