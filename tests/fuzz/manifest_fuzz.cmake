bartizan_fuzz(manifest_fuzz SOURCES manifest_fuzz.cpp USES guest_abi)
