# The check is part of the boot stub, not of a component: compiled here as an ordinary program.
bartizan_fuzz(stub_table_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/stub_table_fuzz.cpp ${CMAKE_SOURCE_DIR}/src/guest/stub/table.cpp USES base)
