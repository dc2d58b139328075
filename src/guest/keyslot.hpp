// Opens the LUKS2 keyslot that the manifest describes: passphrase in, volume key out. Pure
// computation; the header on the disk is never parsed, all parameters come from the measured
// manifest.
#pragma once

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "manifest/manifest.hpp"

namespace bartizan::guest {

// Bytes of the keyslot area that hold key material (LUKS2 §2.4, "area"), rounded up to sectors of
// 512.
uint64_t keyslot_material_size(const Manifest::Luks2& luks2);

// `material` is the area's first keyslot_material_size() bytes. verification_failed reason
// "disk_key" if the passphrase does not open it; corrupt if sizes contradict each other.
Result<SecretBytes> open_keyslot(const Manifest::Luks2& luks2, ByteView material,
                                 const SecretBytes& passphrase);

}  // namespace bartizan::guest
