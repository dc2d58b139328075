// A cpio archive in the "newc" format, as the kernel's initramfs reader wants it
// (Documentation/driver-api/early-userspace/ buffer-format.rst). Owner 0, time 0, inode numbers in
// order: nothing of the machine that makes it shows.
#pragma once

#include <string_view>

#include "base/bytes.hpp"

namespace bartizan::plan::bundle {

class CpioWriter {
 public:
  void add_folder(std::string_view name);  // no leading slash; before what lies in it
  void add_file(std::string_view name, uint32_t permissions,
                ByteView content);  // content under 4 GiB
  Bytes finish() &&;

 private:
  void add(std::string_view name, uint32_t mode, uint32_t links, ByteView content);
  void pad();

  Bytes archive_;
  uint32_t inode_ = 0;
};

}  // namespace bartizan::plan::bundle
