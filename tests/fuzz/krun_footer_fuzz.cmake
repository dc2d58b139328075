bartizan_fuzz(krun_footer_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/krun_footer_fuzz.cpp USES image/parts)
