// Mounting, with errors that name the mount point; and stage pid1: the file systems that init
// itself works with.
#pragma once

#include <string>

#include "bartizan/result.hpp"

namespace bartizan::guest::init::system {

struct Mount {
  const char* source;
  std::string target;
  const char* type;
  unsigned long flags = 0;
  std::string options;
};

// Makes the folder (0755) if it is missing.
Result<void> make_folder(const std::string& path, unsigned mode = 0755);
Result<void> mount_one(const Mount& mount);

Result<void> mount_kernel_file_systems();  // /proc /sys /dev /run /tmp of the initramfs

}  // namespace bartizan::guest::init::system
