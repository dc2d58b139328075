// What a container's machine needs of this host, looked at before the container exists.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::runtime {

// A character device of the host, as it goes into config.json.
struct HostDevice {
  std::string path;
  uint32_t major = 0, minor = 0;
};

// not_found, permission_denied: one line with the next step to take.
Result<HostDevice> find_device(const std::string& path, const std::string& advice);

// /dev/kvm, and /dev/sev for the TEEs of AMD. Errors as above.
Result<std::vector<HostDevice>> devices_of(Tee tee);

// How the guest bundle is made that is missing at `path`, as a command that can be copied.
std::string bundle_advice(const std::filesystem::path& path);

// Is this process in a user namespace whose numbers are not the host's: a rootless engine?
bool in_user_namespace();
// The same of the text of a /proc/PID/uid_map.
bool is_mapped(const std::string& uid_map);

}  // namespace bartizan::runtime
