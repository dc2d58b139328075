// A manifest that every reader accepts, for tests that change one member or need any at all.
#pragma once

#include "guest_abi/manifest.hpp"

namespace bartizan {

inline guest_abi::Manifest sample_manifest() {
  guest_abi::Manifest manifest;
  manifest.workload_id = "web";
  manifest.disk_size = 64 * 4096;
  manifest.luks2.offset = 16 * 4096;
  manifest.luks2.size = 32 * 4096;
  manifest.luks2.keyslot.offset = 8 * 4096;
  manifest.luks2.keyslot.size = 8 * 4096;
  manifest.luks2.keyslot.iterations = 1000;
  manifest.luks2.keyslot.salt = Bytes(32, 1);
  manifest.luks2.digest.iterations = 1000;
  manifest.luks2.digest.salt = Bytes(32, 2);
  manifest.luks2.digest.value = Bytes(32, 3);
  manifest.verity.root_hash = Bytes(32, 4);
  manifest.verity.salt = Bytes(32, 5);
  manifest.verity.data_blocks = 48;
  manifest.verity.hash_offset = 49 * 4096;
  manifest.broker =
      guest_abi::Manifest::Broker{"https://10.0.2.2:8443", "PEM\n", "default/disk-key/web"};
  return manifest;
}

}  // namespace bartizan
