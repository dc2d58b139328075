bartizan_fuzz(runtime_config_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/runtime_config_fuzz.cpp USES runtime)
