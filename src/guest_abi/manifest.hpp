// The manifest, /bartizan.json: all that is public about a workload and that its launch is bound
// to. Its exact bytes are canonical JSON (RFC 8785); the SHA-256 of them is the workload digest,
// which goes into HOST_DATA or MRCONFIGID.
//
//   {"version":1,
//    "workload_id":"…",
//    "disk":{"size":BYTES,                       whole disk.img without the KRUN footer
//            "filesystem":"erofs",
//            "luks2":{"offset":BYTES,"size":BYTES,"cipher":"aes-xts-plain64","key_bytes":64,"sector_size":4096,
//                     "keyslot":{"offset":BYTES,"size":BYTES,"stripes":4000,"af_hash":"sha256","cipher":"aes-xts-plain64",
//                                "key_bytes":64,"kdf":"pbkdf2","kdf_hash":"sha256","iterations":N,"salt":HEX},
//                     "digest":{"hash":"sha256","iterations":N,"salt":HEX,"value":HEX}},
//            "verity":{"root_hash":HEX,"salt":HEX,"data_blocks":N,"hash_offset":BYTES,"block_size":4096,"algorithm":"sha256"}},
//    "broker":{"url":"https://…","ca":"PEM","resource":"repository/type/tag"},     absent: key from the caller
//    "network":true,
//    "host":{"input":false,"output":false,"signals":false,      absent: allowed
//            "broker":true},                                    absent: not allowed
//    "scratch":{"size":BYTES}}                     absent: the overlay's upper layer is memory
//
// The LUKS2 parameters are those of the header on the disk, repeated here so that the guest opens
// the disk from a document that its launch measured and never parses a LUKS header. hash_offset is
// where the tree's first hash block is. "scratch" decides where the workload's writes go; a host
// that gives no scratch disk, or a smaller one, gets no workload. "host" says what the host may do
// to the workload, and PID 1 enforces it; with "broker" it may name another address for the broker,
// whose authority and resource stay those of the manifest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"

namespace bartizan::guest_abi {

// A manifest larger than this comes from an attacker who wants the guest's memory before anything
// is verified.
constexpr uint64_t kMaxManifestBytes = 64 * kKiB;
constexpr uint64_t kManifestVersion = 1;

// A scratch disk is formatted at each boot: some 0.8 % of it are written. Under the least there is
// no space for the metadata of dm-integrity and of the file system; beyond the most a typing error
// would keep a guest busy for hours.
constexpr uint64_t kMinScratchBytes = 16 * kMiB;
constexpr uint64_t kMaxScratchBytes = kTiB;
constexpr uint64_t kScratchUnit = kBlockSize;

// What the host, which may be hostile, has in its hands of a workload. Without `signals` it may ask
// the workload to stop, and nothing else.
struct HostAccess {
  bool input = true, output = true, signals = true, broker = false;
  bool operator==(const HostAccess&) const = default;
};

// "input,output,signals,broker", a part of it, or "none".
Result<HostAccess> host_access_from_string(std::string_view words);
std::string to_text(const HostAccess& access);

struct Manifest {
  struct Keyslot {
    uint64_t offset = 0, size = 0;
    uint32_t stripes = 4000;
    std::string af_hash = "sha256";
    std::string cipher = "aes-xts-plain64";
    uint32_t key_bytes = 64;
    std::string kdf = "pbkdf2";
    std::string kdf_hash = "sha256";
    uint32_t iterations = 0;
    Bytes salt;
  };
  struct VolumeKeyDigest {
    std::string hash = "sha256";
    uint32_t iterations = 0;
    Bytes salt, value;
  };
  struct Luks2 {
    uint64_t offset = 0, size = 0;  // of the encrypted segment
    std::string cipher = "aes-xts-plain64";
    uint32_t key_bytes = 64;
    uint32_t sector_size = kBlockSize;
    Keyslot keyslot;
    VolumeKeyDigest digest;
  };
  struct Verity {
    Bytes root_hash, salt;
    uint64_t data_blocks = 0, hash_offset = 0;
    uint32_t block_size = kBlockSize;
    std::string algorithm = "sha256";
  };
  struct Broker {
    std::string url, ca_pem, resource;
  };

  std::string workload_id;
  uint64_t disk_size = 0;
  std::string filesystem = "erofs";
  Luks2 luks2;
  Verity verity;
  std::optional<Broker> broker;
  bool network = true;
  HostAccess host;
  uint64_t scratch_bytes = 0;  // size of the scratch disk; 0: none, writes go to memory

  // The exact bytes. invalid_argument if a text is not UTF-8.
  Result<Bytes> serialize() const;
  // Strict: the bytes must be the canonical form, every member known, every number in its bounds
  // (offsets aligned and inside the disk). corrupt names the member; a newer version is
  // unsupported.
  static Result<Manifest> parse(ByteView bytes);
};

inline crypto::Sha256Digest workload_digest(ByteView manifest_bytes) {
  return crypto::sha256(manifest_bytes);
}

}  // namespace bartizan::guest_abi
