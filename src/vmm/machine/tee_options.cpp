#include "vmm/machine/tee_options.hpp"

#include "attest/evidence/certificate_table.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "plan/measure/launch_planner.hpp"
#include "plan/tee/snp/id_block.hpp"
#include "vmm/kvm/sev_abi.hpp"
#include "vmm/launch/tdx/quote_service.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr const char* kOrigin = "machine";

// KVM takes blobs of up to 16 KiB from user space (sev.c: SEV_FW_BLOB_MAX_SIZE).
constexpr size_t kMaxOwnerBlob = 16 * kKiB;

// SEV_FEATURES that Linux guests implement: SNP, debug swap, secure TSC. A guest that finds another
// one in its status MSR stops (Linux arch/x86/boot/compressed/sev.c: snp_check_features).
constexpr uint64_t kLinuxFeatures = 1 | 1 << 5 | 1 << 9;

Result<void> check_pair(const char* one_name, size_t one, const char* other_name, size_t other,
                        bool sizes_fit) {
  if (one == 0 && other == 0) return {};
  if (one != 0 && other != 0 && sizes_fit) return {};
  return invalid(kOrigin, "{} of {} and {} of {} bytes: not a pair", one_name, one, other_name,
                 other);
}

Result<void> check_id_block(const TeeOptions& options) {
  size_t block = options.id_block.size(), auth = options.id_authentication.size();
  bool fit = block == kvm::kSnpIdBlockSize && auth == kvm::kSnpIdAuthSize;
  return check_pair("id_block", block, "id_authentication", auth, fit);
}

Result<void> check_certificates(const TeeOptions& options) {
  if (options.certificates.empty()) {
    if (!options.require_certificates) return {};
    return invalid(kOrigin, "require_certificates: there are no certificates");
  }
  auto found = TRY(attest::evidence::decode_certificate_table(options.certificates));
  if (!found.empty()) return {};
  return make_error(ErrorCode::corrupt, kOrigin,
                    "certificates: a table of {} bytes with neither VCEK, ASK nor ARK",
                    options.certificates.size());
}

Result<void> check_owner(const TeeOptions& options) {
  size_t certificate = options.owner_certificate.size(), session = options.session.size();
  bool fit = certificate <= kMaxOwnerBlob && session <= kMaxOwnerBlob;
  return check_pair("owner_certificate", certificate, "session", session, fit);
}

// The first option that a TEE has no use for; or null. The quote service has a default and is never
// among them.
const char* unsupported_option(const TeeOptions& options, Tee tee) {
  if (options.policy != 0 && tee == Tee::none) return "policy";
  if (options.guest_features != 0 && tee != Tee::snp && tee != Tee::sev_es) return "guest_features";
  if (!options.id_block.empty() && tee != Tee::snp) return "id_block";
  if (!options.certificates.empty() && tee != Tee::snp) return "certificates";
  if (!options.session.empty() && !attest::evidence::is_pre_attested(tee)) return "session";
  if (!options.platform_certificates.empty() && !attest::evidence::is_pre_attested(tee))
    return "platform_certificates";
  if (options.owner && !attest::evidence::is_pre_attested(tee)) return "owner";
  return nullptr;
}

// The owner, who sees of the launch what the plan knows beside the measurement.
SevOwner owner_of(const SevOwner& owner, const plan::tee::LaunchPlan& plan) {
  if (!owner) return {};
  auto measured = plan::measure::measure_plan(plan);
  SevMeasurement known;
  known.policy = static_cast<uint32_t>(plan.guest_policy);
  if (measured.ok()) known.digest = measured->digest;
  known.secret_address = plan.secret.value;
  return [owner, known](const SevMeasurement& seen) -> Result<std::optional<SevSecret>> {
    SevMeasurement whole = known;
    whole.measure = seen.measure;
    whole.nonce = seen.nonce;
    auto secret = TRY(owner(whole));
    if (secret && secret->guest_address == 0) secret->guest_address = known.secret_address;
    return secret;
  };
}

}  // namespace

Result<void> check_tee_options(const TeeOptions& options) {
  TRY(check_id_block(options));
  TRY(check_certificates(options));
  TRY(check_owner(options));
  return launch::tdx::check_quote_service(options.quote_service);
}

Result<void> check_tee_options(const TeeOptions& options, Tee tee) {
  if (const char* option = unsupported_option(options, tee); option != nullptr) {
    return invalid(kOrigin, "{}: TEE \"{}\" has no use for it", option, to_string(tee));
  }
  TRY(plan::measure::check_guest_features(tee, options.guest_features));
  if (uint64_t unknown = options.guest_features & ~kLinuxFeatures; unknown != 0) {
    return invalid(kOrigin, "guest features {:#x}: no Linux guest knows {:#x}",
                   options.guest_features, unknown);
  }
  return {};
}

uint64_t guest_policy_of(const TeeOptions& options, Tee tee) {
  return options.policy != 0 ? options.policy : plan::measure::default_guest_policy(tee);
}

Result<launch::LaunchIdentity> make_binding(const TeeOptions& options,
                                            const plan::tee::LaunchPlan& plan,
                                            const std::array<uint8_t, 32>& workload_digest) {
  TRY(check_tee_options(options));
  TRY(check_tee_options(options, plan.tee));
  launch::LaunchIdentity binding;
  binding.workload_digest = workload_digest;
  binding.id_block = options.id_block;
  binding.id_auth = options.id_authentication;
  binding.author_key = plan::tee::snp::has_author_key(binding.id_auth);
  binding.certificate_table = options.certificates;
  binding.require_certificates = options.require_certificates;
  binding.owner_certificate = options.owner_certificate;
  binding.session = options.session;
  binding.owner = owner_of(options.owner, plan);
  binding.quote_service = options.quote_service;
  return binding;
}

}  // namespace bartizan::vmm::machine
