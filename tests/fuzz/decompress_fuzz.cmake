bartizan_fuzz(decompress_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/decompress_fuzz.cpp USES image/builder)
