// Stage overlay: the workload's root: the image's file system below, memory or the scratch disk
// above, and what a container expects in it.
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "guest/init/storage/device_mapper.hpp"

namespace bartizan::guest::init::workload {

// Mounts the image's file system read-only (end of stage crypt).
Result<void> mount_image(const storage::MappedDevice& plaintext, const std::string& file_system);

// The OCI image config that the builder put into the image.
Result<Bytes> read_image_config();

// Overlay over the image, the config hidden; then it becomes "/" for good, with /proc, /sys, /dev,
// /tmp and the few files of /etc. Writes go to `scratch` (a device with an ext4), to memory if
// there is none.
Result<void> enter_workload_root(bool network, const storage::MappedDevice* scratch);

// The workload's terminal under the name that programs look for (ttyname).
Result<void> bind_console(int terminal);

}  // namespace bartizan::guest::init::workload
