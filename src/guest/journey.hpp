// PID 1's way through the stations, in the order of manifest/stations.hpp. One object, one call, no
// way back.
#pragma once

namespace bartizan::guest {

class Report;

// Ends the machine, one way or the other.
[[noreturn]] void travel(Report& report);

}  // namespace bartizan::guest
