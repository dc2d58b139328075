// bartizan_tee_options become TeeOptions, member by member; the owner's function is asked and
// believed.
#include <gtest/gtest.h>

#include "c/options.hpp"

namespace bartizan::c {
namespace {

bartizan_blob blob(const std::vector<uint8_t>& bytes) {
  return {bytes.data(), bytes.size()};
}

Result<void> fill(const bartizan_tee_options* from, TeeOptions& to) {
  to = TRY(from_c(from));
  return {};
}

TEST(TeeOptionsInC, EveryMemberArrives) {
  const std::vector<uint8_t> block(96, 1), auth(4096, 2), certificates(48, 3), owner(10, 4),
      session(20, 5);
  bartizan_tee_options from{};
  from.struct_size = sizeof from;
  from.policy = 0x30137;
  from.guest_features = 0x21;
  from.id_block = blob(block);
  from.id_authentication = blob(auth);
  from.certificates = blob(certificates);
  from.owner_certificate = blob(owner);
  from.session = blob(session);
  from.quote_service = "vsock:2:4050";
  from.flags = BARTIZAN_TEE_REQUIRE_CERTIFICATES;
  TeeOptions to;
  ASSERT_TRUE(fill(&from, to).ok());
  EXPECT_EQ(to.policy, 0x30137u);
  EXPECT_EQ(to.guest_features, 0x21u);
  EXPECT_EQ(to.id_block, block);
  EXPECT_EQ(to.id_authentication, auth);
  EXPECT_EQ(to.certificates, certificates);
  EXPECT_EQ(to.owner_certificate, owner);
  EXPECT_EQ(to.session, session);
  EXPECT_EQ(to.quote_service, "vsock:2:4050");
  EXPECT_TRUE(to.require_certificates);
  EXPECT_FALSE(to.owner);
}

TEST(TeeOptionsInC, DefaultsAndFlags) {
  TeeOptions to;
  ASSERT_TRUE(fill(nullptr, to).ok());
  EXPECT_EQ(to.quote_service, kDefaultQuoteService);
  EXPECT_FALSE(to.require_certificates);
  bartizan_tee_options from{};
  from.struct_size = sizeof from;
  from.flags = BARTIZAN_TEE_NO_QUOTES;
  ASSERT_TRUE(fill(&from, to).ok());
  EXPECT_EQ(to.quote_service, "");
  from.flags = 4;
  EXPECT_FALSE(fill(&from, to).ok());
  from.flags = 0;
  from.session.size = 1;
  EXPECT_FALSE(fill(&from, to).ok()) << "NULL with a size";
}

// What the owner's function sees, and what it answers.
struct Owner {
  std::vector<uint8_t> measure, nonce, digest;
  uint32_t policy = 0;
  int32_t answer = 0;
  std::vector<uint8_t> header, ciphertext;
};

int32_t judge(void* user, const bartizan_sev_measurement* seen, bartizan_sev_secret* secret) {
  auto& owner = *static_cast<Owner*>(user);
  EXPECT_EQ(seen->struct_size, sizeof *seen);
  owner.measure.assign(seen->measure.data, seen->measure.data + seen->measure.size);
  owner.nonce.assign(seen->nonce.data, seen->nonce.data + seen->nonce.size);
  owner.digest.assign(seen->digest.data, seen->digest.data + seen->digest.size);
  owner.policy = seen->policy;
  if (owner.header.empty()) return owner.answer;
  *secret = {blob(owner.header), blob(owner.ciphertext), 0x8010};
  return owner.answer;
}

Result<std::optional<SevSecret>> ask(Owner& owner) {
  bartizan_tee_options from{};
  from.struct_size = sizeof from;
  from.owner = judge;
  from.owner_user = &owner;
  TeeOptions to;
  EXPECT_TRUE(fill(&from, to).ok());
  SevMeasurement seen;
  seen.measure.fill(1);
  seen.nonce.fill(2);
  seen.policy = 0xf;
  seen.digest.assign(32, 3);
  return to.owner(seen);
}

TEST(TeeOptionsInC, AnOwnerAccepts) {
  Owner owner;
  auto answer = ask(owner);
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(answer->has_value());
  EXPECT_EQ(owner.measure, std::vector<uint8_t>(32, 1));
  EXPECT_EQ(owner.nonce, std::vector<uint8_t>(16, 2));
  EXPECT_EQ(owner.digest, std::vector<uint8_t>(32, 3));
  EXPECT_EQ(owner.policy, 0xfu);
}

TEST(TeeOptionsInC, AnOwnerAnswersWithASecret) {
  Owner owner;
  owner.header.assign(52, 7);
  owner.ciphertext.assign(16, 8);
  auto answer = ask(owner);
  ASSERT_TRUE(answer.ok());
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->header, owner.header);
  EXPECT_EQ((*answer)->ciphertext, owner.ciphertext);
  EXPECT_EQ((*answer)->guest_address, 0x8010u);
}

TEST(TeeOptionsInC, AnOwnerRefuses) {
  Owner owner;
  owner.answer = 3;
  auto answer = ask(owner);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::verification_failed);
  EXPECT_EQ(answer.error().reason, "sev_owner");
}

}  // namespace
}  // namespace bartizan::c
