// Confidential images: from an ordinary OCI image to an encrypted, integrity-protected one. Needs
// no KVM, no root, no mount, no loop device, no device-mapper.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "bartizan/tee.hpp"

namespace bartizan {

struct BuildOptions {
  // OCI layout folder. Where skopeo is installed also an archive (of OCI or Docker), or what skopeo
  // can fetch ("docker://docker.io/library/nginx", "containers-storage:…"); the image for
  // linux/amd64 of an index.
  std::filesystem::path source = {};
  std::string reference = {};  // tag in its index ("latest"); empty: the only image
  // OCI layout folder to make, or an archive (tar) of one: "oci-archive:FILE" or a name that ends
  // in ".tar". Must not exist. "oci:FOLDER" is a folder whatever its name. Or where skopeo copies
  // to ("docker://…", "containers-storage:NAME"), replacing what is there, by way of a folder in
  // $TMPDIR, else /tmp.
  std::filesystem::path output = {};
  std::string output_reference = "latest";

  std::string workload_id = {};  // empty: 32 hex digits of the source image's manifest digest
  // "https://10.0.2.2:8443": as the guest reaches it; empty: key comes from the caller
  std::string broker_url = {};
  std::string broker_ca_pem = {};  // the only certificate authority that the guest will believe
  // "default/disk-key/<workload_id>" when empty (KBS repository/type/tag)
  std::string resource = {};
  // Defaults for a launch, and part of krun-sev.json; limits: kMaxVcpus, kMinRamMib (tee.hpp).
  // 0: as tee_config has it, else 1 and 512.
  uint32_t vcpus = 0;
  uint32_t ram_mib = 0;
  bool network = true;

  // 32 bytes at least, for a shorter one can be guessed; empty: 256 fresh random bits, as 64 hex
  // digits
  std::optional<SecretBytes> disk_key = {};
  ProgressSink progress = {};

  // What the workload writes goes to a scratch disk of this size, which the host provides (a sparse
  // file) and the guest formats at each boot, encrypted and authenticated under keys that it draws
  // itself. 0: to the guest's memory. The manifest records the size, so the launch is bound to it.
  // A multiple of 4096, 16 MiB to 1 TiB; some 2 % of it are overhead.
  uint64_t scratch_bytes = 0;

  // What a host may do to the workload that runs: some of "input" (its standard input and
  // terminal), "output", "signals" (any; without it only the request to stop) and "broker" (name
  // another address for the broker, whose authority stays the image's), comma separated, or "none".
  // The manifest records it and the guest enforces it. Empty: "output" if there is a broker_url,
  // for such a host is not trusted, else the first three.
  std::string host_may = {};

  // A second way into the disk, for people: a key slot of its own, hardened by Argon2id (192 MiB, 4
  // passes). The guest never uses it.
  std::optional<SecretBytes> recovery_passphrase = {};

  // Draws nothing at random: all of the disk's key, salts and UUIDs come from disk_key, which must
  // be given and hold 256 random bits. The same source and options then make the same bytes,
  // wherever and whenever.
  bool reproducible = false;

  // What the output is put on as one more layer, given as `source` is; empty: on nothing. The
  // base's layers and history come first, and of its configuration environment, ports, labels, stop
  // signal and working directory stay.
  std::filesystem::path base_image = {};
  std::string base_reference = {};

  // Seconds since the epoch: "created" of the output. Default: now; in reproducible builds the
  // source's, else 0.
  std::optional<int64_t> created = {};
  // Omits all metadata that identifies the source image: annotations, labels, digest. Requires
  // workload_id.
  bool anonymous = false;

  // Files of this machine that come on top of the source's, "SOURCE:/PATH" each, with the permission
  // bits of SOURCE, of root; at most 64 MiB in all.
  std::vector<std::string> add_files = {};

  // A build refuses what would never run, or not be protected: limits of a launch, a weak disk_key,
  // a broker_ca_pem that is none, a broker at the guest's own loopback address, a source that is a
  // confidential image, has no command, or lacks its program or its user. This accepts it where a
  // person may know better: all but the limits and broker_ca_pem.
  bool force = false;

  // The TEE that the image names, in /krun-sev.json and at the end of its disk, to whoever launches
  // it without naming one: "sev", "sev-es", "snp" or "tdx". Empty: as tee_config has it, else
  // "snp". No launch is bound to it.
  std::string tee = {};
  // libkrun's data of that TEE, JSON. Empty: as tee_config has it for that TEE, else that of
  // libkrun's examples, for SNP {"gen":"milan"}.
  std::string tee_data = {};
  // The text of a TEE configuration of libkrun, oci2cw or buildah mkcw: a JSON object of
  // workload_id, cpus, ram_mib, tee, tee_data and attestation_url. It fills the options that are
  // not given: workload_id, vcpus, ram_mib, tee, tee_data and broker_url.
  std::string tee_config = {};

  // The source is a confidential image that buildah mkcw or oci2cw made, and this opens its disk
  // (LUKS1 or LUKS2, ext4); the workload's process is the one that its /.krun_config.json names. A
  // passphrase that opens nothing: verification_failed, reason "source_passphrase".
  std::optional<SecretBytes> source_passphrase = {};

  // The owner's private key (PEM, not encrypted: P-256, P-384 or Ed25519): the image carries a
  // statement that it is `version` (1 at least) of workload_id, signed by this key, so that a
  // broker that has the public key (Workload::signer) releases the disk key to it without a
  // registration of its own. With `reproducible` an Ed25519 key, whose signatures repeat.
  std::optional<SecretBytes> signing_key = {};
  uint64_t version = 0;
};

struct BuildReport {
  std::vector<uint8_t> manifest = {};         // exact bytes
  std::vector<uint8_t> workload_digest = {};  // SHA-256 of them, 32 bytes: HOST_DATA of the launch
  std::string workload_id = {};
  std::string resource = {};
  SecretBytes disk_key = {};
  uint64_t disk_bytes = 0;            // of /disk.img
  uint64_t entries = 0;               // files, folders, links in the file system
  uint64_t content_bytes = 0;         // of regular files
  std::string image_digest = {};      // "sha256:…" of the written OCI manifest
  std::filesystem::path output = {};  // folder or archive that was made, or where skopeo copied to
};

// Errors: not_found, corrupt (not an OCI layout, bad digest, truncated layer, path traversal),
// unsupported (unknown media type), resource_exhausted (disk full, limits), already_exists
// (output), cancelled. Leaves nothing half-written.
Result<BuildReport> build_image(const BuildOptions& options);

// What is known of a build before its work.
struct BuildPlan {
  // "sha256:…" of the source's manifest; empty: the source must be fetched or unpacked first
  std::string source_digest = {};
  // of the options, else of tee_config, else the defaults
  uint32_t vcpus = 0, ram_mib = 0;
  Tee tee = Tee::snp;
};

// The errors of build_image that need no work: whether the options are right, and whether the
// source, a layout folder, is an image that it takes. Writes nothing. Errors as of build_image.
Result<BuildPlan> check_build(const BuildOptions& options);

// A key slot of a LUKS header: one passphrase that opens the disk.
struct LuksKeyslot {
  uint32_t number = 0;
  bool unbound = false;   // holds a key, but not that of the data
  std::string kdf = {};   // "pbkdf2", "argon2i", "argon2id"
  std::string hash = {};  // of PBKDF2
  uint32_t iterations = 0;
  uint32_t memory_kib = 0, threads = 0;  // of Argon2
  uint32_t key_bytes = 0;
  std::string cipher = {};        // of its area
  uint64_t offset = 0, size = 0;  // of its area on the disk
};

struct LuksSegment {
  uint32_t number = 0;
  std::string type = {};          // "crypt"
  uint64_t offset = 0, size = 0;  // size 0: to the end of the disk
  std::string cipher = {};
  uint32_t sector_size = 512;
  std::string integrity = {};  // "hmac(sha256)"; empty: none
};

// The content of a LUKS header, whichever program made it. Nothing of it is authenticated: the host
// can write what it likes.
struct LuksInfo {
  uint32_t version = 0;  // 1 or 2
  std::string uuid = {}, label = {};
  std::string cipher = {};  // "aes-xts-plain64"
  uint32_t key_bytes = 0, sector_size = 512;
  uint64_t data_offset = 0;
  std::string integrity = {};
  std::vector<LuksKeyslot> keyslots = {};
  std::vector<LuksSegment> segments = {};
  // "primary header: wrong checksum; read from the secondary one"; empty: both copies are valid
  std::string remark = {};
};

// What can be known of an image without its key.
struct ImageInfo {
  // "bartizan": a confidential image of ours. "krun": one as oci2cw and buildah mkcw make them; it
  // has no manifest, so what is below comes from its footer and its LUKS header. "disk": a disk
  // image with a LUKS header and nothing else.
  std::string kind = "bartizan";
  std::optional<LuksInfo> luks = {};
  std::vector<uint8_t> manifest = {};
  std::vector<uint8_t> workload_digest = {};
  std::filesystem::path disk_path = {};  // file that holds /disk.img
  uint64_t disk_offset = 0, disk_bytes = 0;
  std::string workload_id = {}, broker_url = {}, resource = {};
  std::string cipher = {};            // "aes-xts-plain64"
  std::string verity_root_hash = {};  // hex
  std::string filesystem = {};
  std::string krun_config = {};  // the footer's JSON
  uint32_t vcpus = 1, ram_mib = 512;
  // Parts of the disk: LUKS2 header, encrypted file system, dm-verity superblock and tree.
  uint64_t header_bytes = 0, filesystem_bytes = 0, tree_bytes = 0;
  uint64_t scratch_bytes = 0;  // 0: the workload writes to memory
  std::string host_may = {};   // see BuildOptions
  // JWS of the owner about its version, as the image carries it: nothing has verified it. Empty and
  // 0: none.
  std::string statement = {};
  uint64_t version = 0;
};

// `image` is an OCI layout folder or an archive of one, the root folder of an unpacked image, or a
// disk image. An image of ours must be in a plain tar layer, the last one, as we make it; others
// may be compressed (disk_offset is then 0 and means nothing). Nothing is unpacked: of an archive,
// disk_path is the archive and disk_offset a place in it. Errors: not_found, corrupt, unsupported
// (manifest of a newer version, which the message names).
Result<ImageInfo> inspect_image(const std::filesystem::path& image,
                                const std::string& reference = "");

// Recomputes the dm-verity tree over the stored disk and compares. With `disk_key` (or the recovery
// passphrase), also all else: the LUKS2 header agrees with the manifest, opens with the key to a
// volume key that fits its digest (libcryptsetup), and the data decrypts to an EROFS with a valid
// superblock whose every folder, inode and extent lies where it may. verification_failed: reason
// "verity" or "disk_key"; corrupt: what was built wrong.
Result<void> verify_image(const std::filesystem::path& image,
                          const std::optional<SecretBytes>& disk_key = {},
                          const ProgressSink& progress = {});

// Tries the key on the image's key slot, and a block of the disk: milliseconds, and nothing of the
// image is verified. verification_failed, reason "disk_key": it does not open the disk. Else errors
// as of verify_image.
Result<void> check_disk_key(const std::filesystem::path& image, const SecretBytes& disk_key);

// One thing in which two images differ, as far as can be seen without a key.
struct ImageDifference {
  std::string what = {};  // "manifest/disk/verity/root_hash", "krun/cpus", "disk/data"
  // values, empty if absent; of "disk/…": how many blocks of 4096 bytes differ, of how many
  std::string a = {}, b = {};
};

// Empty: the same manifest, configuration and disk. Errors as of inspect_image.
Result<std::vector<ImageDifference>> diff_images(const std::filesystem::path& a,
                                                 const std::filesystem::path& b);

}  // namespace bartizan
