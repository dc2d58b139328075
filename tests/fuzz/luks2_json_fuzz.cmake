bartizan_fuzz(luks2_json_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/luks2_json_fuzz.cpp USES image/builder)
