bartizan_fuzz(luks2_header_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/luks2_header_fuzz.cpp USES image/builder LINKS fmt::fmt)
