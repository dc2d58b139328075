bartizan_fuzz(bundle_json_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/bundle_json_fuzz.cpp USES plan/bundle)
