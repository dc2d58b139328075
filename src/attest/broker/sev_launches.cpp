#include "attest/broker/sev_launches.hpp"

#include "attest/broker/messages.hpp"
#include "attest/evidence/tee_name.hpp"
#include "attest/https/peer_address.hpp"
#include "attest/sev/owner_session.hpp"
#include "attest/sev/platform_chain.hpp"
#include "base/errors.hpp"
#include "crypto/hash.hpp"
#include "guest_abi/launch_secret.hpp"

namespace bartizan::attest::broker {

// From the first request to the second.
struct SevLaunch {
  Tee tee = Tee::none;
  sev::OwnerSession keys;
  sev::Firmware firmware;
  uint32_t policy = 0;
  std::string workload_id;
  JudgedBy judged;
  Json evidence;
};

namespace {

constexpr const char* kOrigin = "attest/broker";

// SEV API, table 2: guest policy.
constexpr uint32_t kNoDebug = 1 << 0, kNoKeySharing = 1 << 1, kEncryptedState = 1 << 2,
                   kNoSend = 1 << 3;

// What a guest's policy must forbid, so that what was measured stays what runs.
Result<void> check_guest_policy(const Workload& workload, uint32_t policy) {
  uint32_t needed = kNoKeySharing | kNoSend;
  if (!workload.allow_debug) needed |= kNoDebug;
  if (workload.tee == Tee::sev_es) needed |= kEncryptedState;
  if ((policy & needed) == needed) return {};
  return refused(kOrigin, "policy", fmt::format("bits {:#x}", needed), fmt::format("{:#x}", policy),
                 "guest policy {:#x} lacks {:#x}", policy, needed & ~policy);
}

Result<void> check_tee(const Workload& workload, Tee tee) {
  if (workload.tee == tee) return {};
  return refused(kOrigin, "tee", std::string(evidence::kbs_tee_name(workload.tee)),
                 std::string(evidence::kbs_tee_name(tee)),
                 "workload \"{}\" is registered for another TEE", workload.id);
}

Json evidence_of(const SevOpenMessage& message) {
  return {{"tee", evidence::kbs_tee_name(message.tee)},
          {"policy", message.policy},
          {"firmware", fmt::format("{}.{} build {}", message.firmware.api_major,
                                   message.firmware.api_minor, message.firmware.build)}};
}

// All of them, so that the time discloses nothing.
Result<bool> is_one_of(const std::vector<Bytes>& digests, const SevLaunch& launch,
                       const SevMeasurement& seen) {
  bool found = false;
  for (const Bytes& digest : digests) {
    bool same = TRY(launch.keys.is_launch_of(digest, launch.firmware, seen));
    found = found || same;
  }
  return found;
}

std::string list_of(const std::vector<Bytes>& digests) {
  std::string text;
  for (const Bytes& digest : digests) text += (text.empty() ? "" : ", ") + to_hex(digest);
  return text;
}

}  // namespace

Result<Json> SevLaunches::open(ByteView body, const std::string& address, int64_t now,
                               Subject& subject) {
  SevOpenMessage message = TRY(parse_sev_open(body));
  subject.tee = message.tee;
  const Registration registration = TRY(store_.registered(message.workload_digest, now));
  subject.workload_id = registration.workload.id;
  Json evidence = evidence_of(message);
  auto answer = start(registration, message, now, evidence, address);
  if (!answer.ok()) {
    const Workload& workload = registration.workload;
    TRY(store_.add_to_audit(
        decision_of(entry_about(workload.id, workload.workload_digest, address, now),
                    &answer.error(), evidence.dump())));
  }
  return answer;
}

Result<Json> SevLaunches::start(const Registration& registration, const SevOpenMessage& message,
                                int64_t now, Json& evidence, const std::string& address) {
  TRY(check_tee(registration.workload, message.tee));
  TRY(check_guest_policy(registration.workload, message.policy));
  sev::Platform platform = TRY(sev::verify_platform_chain(message.certificates, roots_));
  evidence["chip"] = to_hex(platform.chip);
  auto [keys, wrapped] = TRY(sev::OwnerSession::open(platform.diffie_hellman, message.policy));
  Bytes random(16);
  TRY(crypto::random_bytes(random));
  const std::string id = to_hex(random);
  auto launch = std::make_shared<const SevLaunch>(
      SevLaunch{message.tee, std::move(keys), message.firmware, message.policy,
                registration.workload.id, judged_by(registration), evidence});
  {
    MutexLock lock(mutex_);
    launches_.put(id, https::group_of(address), now + kSevLaunchSeconds, std::move(launch), now);
  }
  return Json{{"id", id},
              {"certificate", to_base64(wrapped.certificate)},
              {"session", to_base64(wrapped.session)}};
}

// Null: unknown or expired. Once.
std::shared_ptr<const SevLaunch> SevLaunches::take(const std::string& id, int64_t now) {
  MutexLock lock(mutex_);
  auto* found = launches_.find(id, now);
  if (found == nullptr) return nullptr;
  std::shared_ptr<const SevLaunch> launch = *found;
  launches_.erase(id);
  return launch;
}

Result<Json> SevLaunches::judge(const std::string& id, ByteView body, const std::string& address,
                                int64_t now, Subject& subject) {
  const std::shared_ptr<const SevLaunch> taken = take(id, now);
  if (taken == nullptr) {
    return refused(kOrigin, "nonce", "a launch that was not judged before", "none",
                   "no such launch: unknown, older than {} s, or judged already",
                   kSevLaunchSeconds);
  }
  const SevLaunch& launch = *taken;
  subject = {launch.workload_id, launch.tee};
  Json evidence = launch.evidence;
  auto answer = release(launch, launch.tee, body, now, evidence);
  TRY(store_.add_to_audit(
      decision_of(entry_about(launch.workload_id, launch.judged.digest, address, now),
                  answer.ok() ? nullptr : &answer.error(), evidence.dump())));
  return answer;
}

// All that open() judged is judged again, by the registration that the key is taken from.
Result<Json> SevLaunches::release(const SevLaunch& launch, Tee tee, ByteView body, int64_t now,
                                  Json& evidence) {
  SevMeasurement seen = TRY(parse_sev_measured(body));
  evidence["measure"] = to_hex(seen.measure);
  evidence["nonce"] = to_hex(seen.nonce);
  const Workload workload = TRY(store_.registered(launch.judged.digest, now)).workload;
  TRY(check_tee(workload, tee));
  TRY(check_guest_policy(workload, launch.policy));
  if (!TRY(is_one_of(workload.measurements, launch, seen))) {
    return refused(kOrigin, "measurement", list_of(workload.measurements), to_hex(seen.measure),
                   "the firmware's HMAC is over none of the workload's measurements, or its API "
                   "version and build differ from those announced");
  }
  guest_abi::LaunchSecret secret;
  std::ranges::copy(workload.workload_digest, secret.workload_digest.begin());
  secret.disk_key = TRY(store_.release(launch.judged, workload.resource, now));
  SevSecret sealed = TRY(launch.keys.seal(TRY(guest_abi::write_launch_secret(secret)), seen));
  return Json{{"header", to_base64(sealed.header)}, {"ciphertext", to_base64(sealed.ciphertext)}};
}

}  // namespace bartizan::attest::broker
