// Another stack, another image, or the right ones under conditions that the owner did not accept.
#include "attacks/attack.hpp"

namespace bartizan::test {
namespace {

using LookAlike = Attack;
using attest::evidence::SnpReport;

TEST_F(LookAlike, AnImageThatNobodyRegistered) {
  Guest other = guest(9);
  expect_refused(request(other, kResource), "host_data");
}

// The manifest of workload 2 under the stack of workload 1, and the other way round.
TEST_F(LookAlike, SwappedManifest) {
  Workload second = workload(2);
  second.measurements = {std::vector<uint8_t>(48, 0x99)};
  add(second);
  Guest swapped = guest(2);  // measured as workload 1 is
  expect_refused(request(swapped, second.resource), "measurement");
  expect_audited("measurement", second.id);
}

TEST_F(LookAlike, AnotherStackUnderTheRightManifest) {
  Guest other = guest(1);
  other.measurement.fill(0x78);
  expect_refused(request(other, kResource), "measurement");
  expect_audited("measurement");
}

TEST_F(LookAlike, SimulatedEvidenceForAProductionPolicy) {
  Workload strict = workload(3);
  strict.allow_simulated = false;
  add(strict);
  Guest three = guest(3);
  expect_refused(request(three, strict.resource), "simulated");
  expect_audited("simulated", strict.id);
  three.claimed = Tee::snp;
  expect_refused(request(three, strict.resource), "simulated");
  expect_audited("simulated", strict.id);
}

TEST_F(LookAlike, ConditionsThatTheOwnerDidNotAccept) {
  struct Condition {
    const char* reason;
    void (*bend)(SnpReport&);
  };
  const Condition conditions[] = {
      {"debug", [](SnpReport& r) { r.policy |= attest::evidence::kPolicyDebug; }},
      {"policy", [](SnpReport& r) { r.policy |= attest::evidence::kPolicyMigrationAgent; }},
      {"vmpl", [](SnpReport& r) { r.vmpl = 1; }},
      {"tcb", [](SnpReport& r) { r.reported_tcb -= uint64_t{1} << 56; }},
  };
  for (const Condition& one : conditions) {
    SCOPED_TRACE(one.reason);
    Guest bent = guest(1);
    bent.bend = one.bend;
    expect_refused(request(bent, kResource), one.reason);
    expect_audited(one.reason);
  }
}

// The session is older than the registration that it asks by: what was judged is what is released.
TEST_F(LookAlike, ASessionOlderThanItsRegistration) {
  Guest one = guest(1);
  const Session session = open();
  ASSERT_EQ(attest(session, message(one, session, mine_).dump()).status, 200);
  Workload production = workload(1);
  production.disk_key = SecretBytes::from_string("the production key");
  production.allow_simulated = false;
  add(production, /*replace=*/true);
  auto answer = get("Cookie: " + session.cookie);
  expect_status(answer, 401, "attest again");
  expect_audited("registration");
  add(workload(1), /*replace=*/true);
}

}  // namespace
}  // namespace bartizan::test
