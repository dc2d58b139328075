// What other tools of confidential workloads (libkrun, crun, buildah) expect in an image: the TEE
// configuration as /krun-sev.json, and the same at the end of the disk as a footer: zeros, JSON,
// "KRUN", length (u64, little endian).
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::image::parts {

// The six keys of the JSON. libkrun knows "sev", "snp" and "tdx" as a TEE, and gives it no other
// word for SEV-ES: that is "sev" whose data has a member "es" that is true, which it passes over.
struct KrunConfig {
  std::string workload_id, attestation_url;
  uint32_t vcpus = 1, ram_mib = 512;
  std::string tee = "snp";
  std::string tee_data = R"({"gen":"milan"})";  // JSON in a string
};

// Which TEE the two members say. corrupt: none that bartizan can launch.
Result<Tee> tee_of(const KrunConfig& config);
// Sets the two members. `data`: JSON as above, empty for what libkrun's examples have for that TEE.
// invalid_argument: no TEE that libkrun knows, no JSON object, or one that says another TEE.
Result<void> set_tee(KrunConfig& config, Tee tee, std::string_view data);

Result<std::string> krun_json(const KrunConfig& config);
// Of any builder: what is not one of the keys is passed over, and `tee` is any word.
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
