bartizan_fuzz(ext4_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/ext4_fuzz.cpp USES image/builder)
