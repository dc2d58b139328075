// What other tools of confidential workloads (libkrun, crun, buildah) expect in an image: the TEE
// configuration as /krun-sev.json, and the same at the end of the disk as a footer: zeros, JSON,
// "KRUN", length (u64, little endian).
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::image::parts {

struct KrunConfig {
  std::string workload_id, attestation_url;
  uint32_t vcpus = 1, ram_mib = 512;
};

Result<std::string> krun_json(const KrunConfig& config);
Result<KrunConfig> parse_krun_json(std::string_view text);

// A whole number of blocks of 4096 bytes, to be put behind the disk.
Bytes krun_footer(std::string_view json);
// The JSON of the footer that ends `tail` (the last bytes of a disk). corrupt if there is none.
Result<std::string> parse_krun_footer(ByteView tail);

// A footer whose JSON is longer comes from an attacker who wants our memory; the same limit as
// other readers have.
constexpr uint64_t kMaxKrunJson = kMiB;
constexpr uint64_t kKrunTrailerBytes = 12;

}  // namespace bartizan::image::parts
