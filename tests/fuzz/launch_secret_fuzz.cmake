bartizan_fuzz(launch_secret_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/launch_secret_fuzz.cpp USES guest_abi)
