// The launch secret: what an owner gives a SEV or SEV-ES guest through the firmware (LAUNCH_SECRET)
// before it runs, for these guests have no evidence to show later. A table of GUIDed entries as
// OVMF, QEMU and `sevctl secret build` have it:
//
//   GUID 1e74f542-71dd-4d66-963e-ef4287ff173b, u32 size of the whole table,
//   entries: GUID, u32 size with these 20 bytes, content
//
// Two entries count, others are passed over: the disk key
// (736869e5-84f0-4973-92ec-06879ce3da0b, the GUID that those tools have for it), and the workload
// digest (bf4d6b8c-9c0e-4a52-8d9f-64b2c1d0e7a3, ours), without which a host could give the guest
// another manifest than the owner meant.
//
// The firmware writes it into a file of an initramfs segment that the launch loads in front of the
// initrd (plan/measure/launch_secret_page); so it needs no driver, and the kernel takes it for a
// file like any other.
#pragma once

#include <optional>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "crypto/hash.hpp"

namespace bartizan::guest_abi {

// At the root of the initramfs, of this size; the owner's table starts it, the rest is zero. The
// file is there in every SEV and SEV-ES launch. The host chooses where the firmware writes; so the
// boot stub checks that what surrounds the file's content is what was measured, and PID 1 requires
// the file and a secret at its beginning.
constexpr std::string_view kLaunchSecretFile = "bartizan.secret";
constexpr uint64_t kLaunchSecretBytes = 3840;

struct LaunchSecret {
  crypto::Sha256Digest workload_digest{};
  SecretBytes disk_key;
};

// resource_exhausted: the disk key does not fit (3748 bytes do).
Result<SecretBytes> write_launch_secret(const LaunchSecret& secret);
// Nothing: all zero, so that no owner gave one. corrupt: no such table, or an entry is missing or
// doubled.
Result<std::optional<LaunchSecret>> parse_launch_secret(ByteView bytes);

}  // namespace bartizan::guest_abi
