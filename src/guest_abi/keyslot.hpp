// Opens the LUKS2 keyslot that the manifest describes: disk key in, volume key out. Pure
// computation; the header on the disk is never parsed, all parameters come from the measured
// manifest. The guest opens its disk by it, and a host tries a caller's key before it starts a VM.
#pragma once

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::guest_abi {

// Bytes of the keyslot area that hold key material (LUKS2 §2.4, "area"), rounded up to sectors of
// 512.
uint64_t keyslot_material_size(const Manifest::Luks2& luks2);

// `material` is the area's first keyslot_material_size() bytes. verification_failed reason
// "disk_key" if the disk key does not open it; corrupt if sizes contradict each other.
Result<SecretBytes> open_keyslot(const Manifest::Luks2& luks2, ByteView material,
                                 const SecretBytes& disk_key);

}  // namespace bartizan::guest_abi
