bartizan_fuzz(modules_dep_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/modules_dep_fuzz.cpp USES plan/bundle/create)
