bartizan_fuzz(tar_layer_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/tar_layer_fuzz.cpp USES image/builder)
