// Trusted execution environments: which there are, what this host can do, and what a launch will
// measure.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan {

// Where Intel's quote generation service listens.
inline constexpr const char* kDefaultQuoteService = "/var/run/tdx-qgs/qgs.socket";

// Frozen numbers, the same in C. `none` protects nothing and attests nothing. `simulated` runs the
// guest's real SEV code on any KVM host, attests with a throw-away key chain, and protects nothing
// either.
enum class Tee : int32_t { none = 0, simulated = 1, sev = 2, sev_es = 3, snp = 4, tdx = 5 };

// "none", "simulated", "sev", "sev-es", "snp", "tdx"
std::string_view to_string(Tee tee);
std::string to_string(const std::vector<Tee>& tees);  // "none, simulated, sev"
Result<Tee> tee_from_string(std::string_view name);   // invalid_argument names the choices

// Can this host run that TEE, and if not, what is missing and what to do about it.
struct TeeProbe {
  Tee tee = Tee::none;
  bool available = false;
  std::string missing = {};  // one line, empty when available
  std::string advice = {};   // one line, the next step to take
  // Guests of that TEE that this host can hold at a time (ASIDs, TDX keys), and that it holds; 0:
  // unlimited or unknown.
  uint64_t capacity = 0;
  uint64_t in_use = 0;
};

struct HostProbe {
  bool kvm_usable = false;  // the KVM device opens and has API version 12
  // a tiny probe guest in long mode finished within its time limit
  bool runs_stock_kernels = false;
  std::string kvm_missing = {};  // one line when either is false
  std::string kvm_advice = {};
  std::vector<TeeProbe> tees = {};  // one for each Tee, in the order of the enum
};

struct ProbeOptions {
  std::filesystem::path kvm_device = "/dev/kvm";
  // Time limit for the probe guest. Exceeded by KVM back ends that emulate long mode.
  uint32_t guest_time_limit_ms = 2000;
  // Guest bundle: a TEE that its kernel cannot be a guest of is not available. Empty: none.
  std::filesystem::path bundle = {};
};

// Never fails because something is missing: that is the answer. Fails for an invalid argument and
// for a bundle that cannot be read.
Result<HostProbe> probe(const ProbeOptions& options = {});

// The most vCPUs of our own launches: an APIC ID has one byte, and 255 is the broadcast. More would
// need x2APIC entries in the ACPI tables.
inline constexpr uint32_t kMaxVcpus = 254;
// Guest memory of our own launches, in MiB: kernel and init need some, and page tables and the
// memory map are made for at most so much.
inline constexpr uint32_t kMinRamMib = 128, kMaxRamMib = 256 * 1024;

// Guest policies of launches that ask for none. SNP (SNP firmware ABI, 4.3) and simulated: SMT
// allowed (bit 16), the reserved bit that must be one (17); no debugging, no migration agent.
inline constexpr uint64_t kDefaultSnpPolicy = 0x30000;
// SEV and SEV-ES (SEV API, 3.2): no debugging, no key sharing, no migration; SEV-ES: encrypted
// registers required.
inline constexpr uint64_t kDefaultSevPolicy = 0xb, kDefaultSevEsPolicy = 0xf;

// What goes into a launch measurement. The same value is launched by a Context: the two cannot
// disagree.
struct LaunchOptions {
  Tee tee = Tee::simulated;
  // folder made by `bartizan bundle create`; empty: default_bundle_path()
  std::filesystem::path bundle = {};
  uint32_t vcpus = 1;  // at most kMaxVcpus
  uint32_t ram_mib = 512;
  std::string extra_command_line = {};  // appended to the bundle's own; measured
  // Position of the C-bit in the guest's page tables, which are measured. A host's processor
  // decides it: 51 on EPYC Milan and later, 47 on Naples and Rome. 0: 51 for sev, sev-es and snp;
  // the others have no choice (tdx: shared bit 47).
  uint32_t c_bit = 0;
  // SEV_FEATURES of snp (bit 0 set) and sev_es; 0: 1 for snp, none for sev_es. Measured
  uint64_t guest_features = 0;
};

struct MeasuredPage {
  uint64_t guest_address = 0;  // bytes, 4096-aligned
  std::string kind = {};       // "normal", "zero", "vmsa", …
  std::string what = {};       // "kernel", "acpi", "boot_params", …
  uint64_t count = 1;          // pages of 4096 bytes
};

// Frozen numbers, the same in C. What KVM writes into the measured register page (VMSA) of SEV-ES
// and SNP guests: since Linux 6.10 the FPU's reset values too. Upstream SNP hosts are all newer;
// hosts with vendor kernels may not be.
enum class HostKernel : int32_t { since_6_10 = 0, before_6_10 = 1 };

std::string_view to_string(HostKernel kernel);  // "since-6.10", "before-6.10"
// invalid_argument names the choices
Result<HostKernel> host_kernel_from_string(std::string_view name);

// Frozen numbers, the same in C. Who starts the firmware of a FirmwareLaunch: first registers
// differ.
enum class Vmm : int32_t { qemu = 0, ec2 = 1, gce = 2 };

std::string_view to_string(Vmm vmm);  // "qemu", "ec2", "gce"
Result<Vmm> vmm_from_string(std::string_view name);

struct Measurement {
  Tee tee = Tee::none;
  // 48 bytes for simulated, snp and tdx; 32 for sev and sev-es; empty for none
  std::vector<uint8_t> digest = {};
  std::vector<MeasuredPage> pages = {};
  // pages of 4096 bytes that launching loads; with a TEE of AMD: through its security processor
  uint64_t page_count = 0;
  // expected, at 1 ms a page; 0 where no security processor takes part
  uint64_t launch_milliseconds = 0;
  uint32_t vcpus = 0;
  std::string vcpu_type = {};   // as asked for: "EPYC-Milan"; empty: by signature, or none
  uint32_t vcpu_signature = 0;  // RDX of the first registers; 0: none was asked for
  HostKernel host_kernel = HostKernel::since_6_10;
  // of the guest's page tables; tdx: their shared bit; 0: none, or a firmware decides it
  uint32_t c_bit = 0;
  // tdx: RTMR 0 to 3 (48 bytes each) when Linux starts; else empty
  std::vector<std::vector<uint8_t>> rtmrs = {};
};

// Pure: needs no KVM and no privileges. Errors: not_found (bundle), corrupt (bundle),
// invalid_argument, unsupported.
Result<Measurement> measure(const LaunchOptions& options);

// A launch as QEMU, EC2 or GCE do it: a firmware that ends at 4 GiB, and for QEMU also the hashes
// of what it must boot.
struct FirmwareLaunch {
  std::filesystem::path ovmf = {};    // empty: bartizan's own launch of LaunchOptions is measured
  std::filesystem::path kernel = {};  // empty: no hashes (and then neither initrd nor append)
  std::filesystem::path initrd = {};
  std::string append = {};  // kernel command line
  Vmm vmm = Vmm::qemu;
  // snp: 48 bytes that a firmware image alone measures to, instead of its content
  std::vector<uint8_t> ovmf_digest = {};
};

// Everything that a digest depends on. Lists are alternatives: every combination is measured.
struct MeasureOptions {
  LaunchOptions launch = {};  // `tee`; without a firmware also bundle, memory and command line
  uint32_t max_vcpus = 0;     // launch.vcpus to this many; 0: launch.vcpus alone
  std::vector<std::string> vcpu_types = {};    // names as QEMU's: see vcpu_type_names()
  std::vector<uint32_t> vcpu_signatures = {};  // CPUID leaf 1 EAX, for processors without a name
  std::vector<HostKernel> host_kernels = {HostKernel::since_6_10};
  uint64_t guest_features = 0;  // SEV_FEATURES; 0: those of `launch`
  FirmwareLaunch firmware = {};
  // Without a firmware, for sev, sev-es and snp; empty: launch.c_bit, or what the vCPU types and
  // signatures have.
  std::vector<uint32_t> c_bits = {};
};

// The digests to register for a launch, one for each combination, in the order vCPUs, processor or
// C-bit, host kernel; a combination whose digest occurred before (because it does not depend on
// what differs) is left out. Errors: as measure(); also not_found and corrupt for the firmware,
// invalid_argument for more than 4096 combinations.
Result<std::vector<Measurement>> measure_set(const MeasureOptions& options);

// "EPYC", "EPYC-v1", … "EPYC-Turin".
std::vector<std::string> vcpu_type_names();

// An ID block specifies for the SNP firmware which digest, policy and version a guest must have,
// signed by its owner (SNP firmware ABI, 8.17): a launch of anything else fails, and the report
// names the keys.
struct IdBlockOptions {
  std::vector<uint8_t> digest = {};        // 48 bytes
  std::array<uint8_t, 16> family_id = {};  // the owner's own numbering, in the report
  std::array<uint8_t, 16> image_id = {};
  uint32_t guest_svn = 0;
  uint64_t policy = kDefaultSnpPolicy;    // of the launch
  std::filesystem::path id_key = {};      // PEM, ECDSA P-384
  std::filesystem::path author_key = {};  // PEM, ECDSA P-384: vouches for the ID key; empty: none
};

struct IdBlock {
  std::vector<uint8_t> block = {};              // 96 bytes
  std::vector<uint8_t> authentication = {};     // 4096 bytes: signatures and public keys
  std::vector<uint8_t> id_key_digest = {};      // 48 bytes, as in the report
  std::vector<uint8_t> author_key_digest = {};  // 48 bytes, or empty
};

Result<IdBlock> make_id_block(const IdBlockOptions& options);

// SEV, SEV-ES: what the security processor reports about a launch before its guest runs (SEV API,
// LAUNCH_MEASURE). `measure` is an HMAC-SHA256 under the key of the owner's session (the TIK), over
// 0x04, the firmware's API version and build, `policy`, the launch digest and `nonce`. An owner
// computes it from a digest of its own, never from `digest`: that is this host's word for what it
// launched.
struct SevMeasurement {
  std::array<uint8_t, 32> measure = {};
  std::array<uint8_t, 16> nonce = {};
  uint32_t policy = 0;
  std::vector<uint8_t> digest = {};  // 32 bytes, as measure() gives it
  // where the guest looks for a secret: at most 3840 bytes (docs/tee.md: its form)
  uint64_t secret_address = 0;
};

// A secret that the owner sealed to that launch (SEV API, LAUNCH_SECRET).
struct SevSecret {
  std::vector<uint8_t> header = {};      // 52 bytes: flags, IV, MAC
  std::vector<uint8_t> ciphertext = {};  // a multiple of 16 bytes, within one page
  // 16-aligned, in pages that the launch loaded; 0: SevMeasurement::secret_address
  uint64_t guest_address = 0;
};

// Asked once in a start, on its thread. Nothing: go on without a secret. An error: the owner does
// not accept the launch, which ends there; the error is the start's.
using SevOwner = std::function<Result<std::optional<SevSecret>>(const SevMeasurement&)>;

// What ties a launch in a hardware TEE to its owner, beside what it measures (docs/tee.md). An
// option that the TEE has no use for is refused, not passed over.
struct TeeOptions {
  // snp: guest policy (SNP firmware ABI, table 9): ABI minor in bits 7:0, ABI major in 15:8 (the
  // least that the firmware must have), 16 SMT allowed, 17 always set, 18 migration agent, 19
  // debugging, 20 one socket. Default 0x30000; also for simulated. sev, sev-es: SEV API, table 2;
  // default 0xb and 0xf: no debugging, no key sharing, no migration (and encrypted registers). tdx:
  // attributes beside SEPT_VE_DISABLE; default none. 0: the default.
  uint64_t policy = 0;
  // as LaunchOptions: bits 0 (SNP), 5 (debug swap), 9 (secure TSC), which Linux guests know
  uint64_t guest_features = 0;

  // snp. Both or neither, as make_id_block() gives them; the firmware refuses any launch but the
  // one that they describe.
  std::vector<uint8_t> id_block = {};           // 96 bytes
  std::vector<uint8_t> id_authentication = {};  // 4096 bytes; also the author key, if there is one

  // snp. The certificates that a guest gets with its report: a GUID table with VCEK, ASK and ARK,
  // at most 16 KiB. A KVM that cannot pass them on gives a warning, or an error if they are
  // required.
  std::vector<uint8_t> certificates = {};
  bool require_certificates = false;

  // sev, sev-es. Both or neither; without them nobody can attest the launch.
  std::vector<uint8_t> owner_certificate = {};  // the owner's Diffie-Hellman certificate
  // its session with this platform: for one launch, under one policy
  std::vector<uint8_t> session = {};
  SevOwner owner = {};

  // sev, sev-es: the broker of the image's manifest is the owner. It is asked before the launch,
  // with the platform's certificates as `sevctl export --full FILE` writes them: PDH, PEK, OCA,
  // CEK, ASK, ARK. Instead of the three above.
  std::vector<uint8_t> platform_certificates = {};

  // tdx. Where the guest's GetQuote calls go: the path of a unix socket, or "vsock:CID:PORT".
  // Empty: quotes are refused.
  std::string quote_service = kDefaultQuoteService;
};

}  // namespace bartizan
