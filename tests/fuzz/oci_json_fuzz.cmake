bartizan_fuzz(oci_json_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/oci_json_fuzz.cpp USES image/builder)
