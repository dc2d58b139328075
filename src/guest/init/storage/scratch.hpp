// The scratch disk: raw space of the host, made into a file system of this boot alone. dm-crypt
// under keys that are drawn here and never leave the guest, dm-integrity on top of it, ext4 on top
// of that.
//
// What the host can still do: give back an older state of a block together with its tag (a replay
// within one boot), refuse to serve, count writes. It cannot read, and what it changes is an I/O
// error when it is read.
#pragma once

#include "bartizan/result.hpp"
#include "guest/init/storage/device_mapper.hpp"

namespace bartizan::guest::init::storage {

// The device with the fresh file system, of a disk with the serial "scratch" and at least `bytes`
// bytes (what the manifest asks for; more is left alone). not_found, corrupt (smaller),
// unsupported (the kernel has no dm-integrity): there is no other place to fall back to.
Result<MappedDevice> open_scratch(DeviceMapper& mapper, uint64_t bytes);

// "0 16000 -" -> 16000: the second word of dm-integrity's status, in sectors of 512 bytes.
Result<uint64_t> provided_sectors(std::string_view status);

}  // namespace bartizan::guest::init::storage
