#include "vmm/machine/pre_attestation.hpp"

#include "attest/client/sev_launch.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/guest_address.hpp"
#include "vmm/launch/sev/device.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr const char* kOrigin = "machine";

// Two owners, or one and none.
Result<bool> broker_owns(const LaunchOwner& who, Tee tee) {
  const TeeOptions& options = who.options;
  const bool certificates = !options.platform_certificates.empty();
  if (certificates && (who.key_from_caller || options.owner || !options.session.empty())) {
    return invalid(
        kOrigin,
        "platform_certificates: the broker is asked with them, and the launch has an owner or a "
        "key already");
  }
  if (certificates || who.key_from_caller || options.owner) return certificates;
  return invalid(
      kOrigin,
      "TEE {}: nobody gives the guest its key: give platform_certificates (sevctl export "
      "--full FILE) for the manifest's broker, an owner, or a disk_key",
      to_string(tee));
}

SevOwner ask(const std::shared_ptr<attest::client::SevLaunchClient>& client,
             uint64_t secret_address) {
  return [client, secret_address](const SevMeasurement& seen) -> Result<std::optional<SevSecret>> {
    SevSecret secret = TRY(client->judge(seen));
    secret.guest_address = secret_address;
    return std::optional(std::move(secret));
  };
}

}  // namespace

Result<void> resolve_guest_owner(kvm::KernelApi& kernel, const LaunchOwner& who,
                                 const plan::tee::LaunchPlan& plan,
                                 launch::LaunchIdentity* binding) {
  if (!attest::evidence::is_pre_attested(plan.tee) || !TRY(broker_owns(who, plan.tee))) return {};
  if (!who.broker) {
    return invalid(kOrigin, "platform_certificates: the image's manifest names no broker to ask");
  }
  attest::client::SevLaunchRequest request;
  request.url = who.broker->url;
  request.ca_pem = who.broker->ca_pem;
  request.tee = plan.tee;
  request.workload_digest = binding->workload_digest;
  request.policy = static_cast<uint32_t>(plan.guest_policy);
  auto status = TRY(launch::sev::platform_status(kernel));
  request.firmware = {status.api_major, status.api_minor, status.build};
  request.certificates = who.options.platform_certificates;
  auto [client, start] = TRY(attest::client::SevLaunchClient::open(request));
  binding->owner_certificate = std::move(start.certificate);
  binding->session = std::move(start.session);
  binding->owner =
      ask(std::make_shared<attest::client::SevLaunchClient>(std::move(client)), plan.secret.value);
  return {};
}

}  // namespace bartizan::vmm::machine
