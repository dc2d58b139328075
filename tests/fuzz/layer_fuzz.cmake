bartizan_fuzz(layer_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/layer_fuzz.cpp USES image)
