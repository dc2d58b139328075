// Stages verity and crypt: the disk under dm-verity, its volume key, dm-crypt on top, and the
// watch over both.
#pragma once

#include <optional>
#include <string>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/unique_fd.hpp"
#include "guest/init/storage/device_mapper.hpp"
#include "guest/init/storage/scratch.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::guest::init::storage {

// What the kernel reports when dm-verity meets a block that does not fit the tree: "data block 12"
// or "tree block 3". Nothing for other events.
std::optional<std::string> corrupt_block_of_event(std::string_view event);

class Storage {
 public:
  // The disk with the serial "disk" under the manifest's root hash. Reads the first block and the
  // keyslot through it: another disk fails here, with verification_failed reason "verity" and the
  // block. The key material stays in here.
  static Result<Storage> open(const guest_abi::Manifest& manifest);

  // Opens the keyslot and maps the plaintext. verification_failed reason "disk_key".
  Result<MappedDevice> unlock(const guest_abi::Manifest& manifest, const SecretBytes& disk_key);

  // Where the workload's writes go: scratch.hpp.
  Result<MappedDevice> open_scratch(uint64_t bytes) {
    return storage::open_scratch(mapper_, bytes);
  }

  // Fails (reason "verity") if any block read so far did not fit the tree. Cheap; `event_fd()`
  // becomes readable when there may be news.
  Result<void> check();
  int event_fd() const { return events_.get(); }

 private:
  Storage(DeviceMapper mapper, UniqueFd events, std::string root_hash)
      : mapper_(std::move(mapper)), events_(std::move(events)), root_hash_(std::move(root_hash)) {}
  Result<void> read_verified(const std::string& path, uint64_t offset, std::span<uint8_t> to);
  void drain_events();

  DeviceMapper mapper_;
  UniqueFd events_;  // kernel uevents
  std::string root_hash_;
  std::string corrupt_block_;  // the first one reported
  MappedDevice verified_;
  Bytes key_material_;  // ciphertext
};

}  // namespace bartizan::guest::init::storage
