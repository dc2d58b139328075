bartizan_fuzz(luks_copies_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/luks_copies_fuzz.cpp USES image/builder)
