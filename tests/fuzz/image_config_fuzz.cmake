bartizan_fuzz(image_config_fuzz SOURCES image_config_fuzz.cpp USES guest/init/stages)
