// The kernel's device-mapper by its ioctls: named devices of one target each.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"
#include "guest/init/storage/dm_table.hpp"

namespace bartizan::guest::init::storage {

struct MappedDevice {
  std::string path;    // "/dev/dm-0"
  std::string number;  // "254:0"
};

class DeviceMapper {
 public:
  static Result<DeviceMapper> open();

  // Creates the device, loads the table, starts it. Errors carry the ioctl's name and the device's.
  Result<MappedDevice> create(const std::string& name, const DmTable& table);

  Result<void> remove(const std::string& name);

  // The target's own status text ("V" or "C" for verity; "mismatches sectors -" for integrity).
  Result<std::string> status(const std::string& name);

 private:
  explicit DeviceMapper(UniqueFd control) : control_(std::move(control)) {}
  UniqueFd control_;
};

}  // namespace bartizan::guest::init::storage
