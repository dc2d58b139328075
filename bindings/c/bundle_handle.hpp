// The handle of a guest bundle in memory, which machines take.
#pragma once

#include "bartizan.h"
#include "bartizan/machine.hpp"

struct bartizan_bundle {
  bartizan::LoadedBundle bundle;
};
