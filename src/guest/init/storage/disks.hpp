// Virtio disks by their serial, and the manifest disk.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::guest::init::storage {

struct Disk {
  std::string path;    // "/dev/vda"
  std::string number;  // "254:0", as device-mapper names it
};

// not_found names the serial. Waits a moment: drivers finish their probing on their own time.
Result<Disk> find_disk(std::string_view serial);

// What a disk padded with zero bytes to whole sectors holds: the bytes before the padding.
Result<Bytes> strip_padding(Bytes content);

Result<Bytes> read_manifest_disk();

}  // namespace bartizan::guest::init::storage
