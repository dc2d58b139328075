bartizan_fuzz(tee_config_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/tee_config_fuzz.cpp USES image/parts)
