bartizan_fuzz(bzimage_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/bzimage_fuzz.cpp USES plan/boot)
