// Included before each source of a unity build (BartizanBuild.cmake). Nearly every source has a kOrigin in its anonymous
// namespace, and every command Arguments; several sources as one need a name for each. CMake defines BARTIZAN_FILE anew
// before each source.
#pragma once
#define BARTIZAN_PASTE(a, b) a##b
#define BARTIZAN_JOIN(a, b) BARTIZAN_PASTE(a, b)
#define kOrigin BARTIZAN_JOIN(kOrigin_, BARTIZAN_FILE)
#define Arguments BARTIZAN_JOIN(Arguments_, BARTIZAN_FILE)
