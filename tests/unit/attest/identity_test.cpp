// The broker's certificates over the years: made, renewed, given more names, or refused by name.
#include "attest/broker/identity.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "base/file.hpp"

namespace bartizan::attest::broker {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr int64_t kToday = 1'800'000'000, kDay = 86'400, kYear = 365 * kDay;

class IdentityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-identity-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<Identity> load(std::vector<std::string> names, int64_t now = kToday) {
    log_.clear();
    WantedIdentity wanted{names, names, now, {}};
    wanted.log = [this](LogLevel level, std::string_view line) {
      log_.push_back((level == LogLevel::warning ? "warning: " : "") + std::string(line));
    };
    return load_identity(folder_, wanted);
  }
  std::string message(std::vector<std::string> names, int64_t now = kToday) {
    auto loaded = load(std::move(names), now);
    if (loaded.ok()) return "";
    EXPECT_EQ(loaded.error().code, ErrorCode::invalid_argument);
    return loaded.error().message;
  }
  std::string text(const char* name) {
    return std::string(as_text(read_file(folder_ / name, 1 << 16).value()));
  }
  // As folders were before the authority's key was kept.
  void make_old() {
    ASSERT_TRUE(load({"a.example", "127.0.0.1"}).ok());
    fs::remove(folder_ / "ca.key");
  }

  fs::path folder_;
  std::vector<std::string> log_;
};

TEST_F(IdentityTest, TheKeysAreTheOwnersAlone) {
  auto made = load({"a.example"});
  ASSERT_TRUE(made.ok()) << made.error().describe();
  for (const char* name : {"ca.key", "tls.key", "admin.token"}) {
    struct stat status {};
    ASSERT_EQ(::stat((folder_ / name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
  auto ca = crypto::Certificate::from_pem(made->ca_pem).value();
  EXPECT_TRUE(made->tls_certificate.issued_by(ca));
  EXPECT_GE(ca.not_after() - kToday, 10 * kYear);
  EXPECT_EQ(made->ca_expires, ca.not_after());
  for (const std::string& line : log_) {
    EXPECT_THAT(line, Not(HasSubstr("PRIVATE")));
    EXPECT_THAT(line, Not(HasSubstr(text("admin.token"))));
  }
}

TEST_F(IdentityTest, WhatIsThereStays) {
  ASSERT_TRUE(load({"a.example", "127.0.0.1", "::1"}).ok());
  const std::string certificate = text("tls.pem"), key = text("tls.key"), ca = text("ca.pem");
  ASSERT_TRUE(load({"A.Example", "0:0:0:0:0:0:0:1", "127.0.0.1"}, kToday + kYear).ok());
  EXPECT_EQ(text("tls.pem"), certificate);
  EXPECT_EQ(text("tls.key"), key);
  EXPECT_EQ(text("ca.pem"), ca);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(IdentityTest, AnotherNameMakesACertificateOfTheSameAuthority) {
  ASSERT_TRUE(load({"a.example", "127.0.0.1"}).ok());
  const std::string ca = text("ca.pem"), key = text("tls.key");
  auto more = load({"b.example", "fd00::1", "127.0.0.1"}, kToday + kDay);
  ASSERT_TRUE(more.ok()) << more.error().describe();
  EXPECT_EQ(text("ca.pem"), ca);
  EXPECT_EQ(text("tls.key"), key);
  EXPECT_TRUE(more->tls_certificate.issued_by(crypto::Certificate::from_pem(ca).value()));
  EXPECT_THAT(more->tls_certificate.server_names(),
              UnorderedElementsAre("a.example", "127.0.0.1", "b.example", "fd00::1"));
  EXPECT_THAT(log_,
              ElementsAre(AllOf(HasSubstr("it lacked b.example, fd00::1"), HasSubstr("until 20"))));
}

TEST_F(IdentityTest, ACertificateIsRenewedInTheLastThirdOfItsLife) {
  const int64_t end = load({"a.example"})->tls_certificate.not_after();
  const int64_t life = end - kToday;
  EXPECT_EQ(load({"a.example"}, kToday + life / 2)->tls_certificate.not_after(), end);
  EXPECT_THAT(log_, IsEmpty());
  auto renewed = load({"a.example"}, kToday + life * 3 / 4);
  ASSERT_TRUE(renewed.ok());
  EXPECT_GT(renewed->tls_certificate.not_after(), end);
  EXPECT_THAT(log_, ElementsAre(HasSubstr("it would have ended at ")));
  renewed->lock.reset();
  // Never beyond its authority.
  for (int year = 8; year < 19; year += 2) {
    auto later = load({"a.example"}, kToday + year * kYear);
    ASSERT_TRUE(later.ok()) << year;
    EXPECT_LE(later->tls_certificate.not_after(), later->ca_expires);
    EXPECT_GT(later->tls_certificate.not_after(), kToday + year * kYear);
  }
}

TEST_F(IdentityTest, AnAuthorityIsMissedBeforeItEnds) {
  const int64_t end = load({"a.example"})->ca_expires;
  ASSERT_TRUE(load({"a.example"}, end - 91 * kDay).ok());
  EXPECT_THAT(log_, Not(Contains(HasSubstr("authority ends"))));
  ASSERT_TRUE(load({"a.example"}, end - 89 * kDay).ok());
  EXPECT_THAT(log_, Contains(AllOf(HasSubstr("warning: "), HasSubstr("authority ends at 20"))));
  EXPECT_THAT(message({"a.example"}, end),
              AllOf(HasSubstr("authority ended at 20"), HasSubstr("move ca.pem, ca.key")));
  for (const char* name : {"ca.pem", "ca.key", "tls.pem", "tls.key"}) fs::remove(folder_ / name);
  EXPECT_TRUE(load({"a.example"}, end).ok());  // the next step helps
}

TEST_F(IdentityTest, AFolderWithoutTheAuthoritysKeyIsTakenAsItIs) {
  make_old();
  ASSERT_TRUE(load({"127.0.0.1"}).ok());
  EXPECT_THAT(log_, IsEmpty());
  EXPECT_THAT(message({"a.example", "b.example"}),
              AllOf(HasSubstr("lacks the name b.example, and"),
                    HasSubstr("the certificate has a.example, 127.0.0.1")));
  const int64_t end = load({"a.example"})->tls_certificate.not_after();
  ASSERT_TRUE(load({"a.example"}, end - kYear).ok());
  EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr("warning: "), HasSubstr("ends at 20"))));
  EXPECT_THAT(message({"a.example"}, end), HasSubstr("certificate ended at 20"));
  EXPECT_FALSE(fs::exists(folder_ / "ca.key"));
}

TEST_F(IdentityTest, OnlyRequiredNamesAreMissedInAnothersCertificate) {
  make_old();
  EXPECT_TRUE(load_identity(folder_, {{"a.example", "localhost"}, {"a.example"}, kToday, {}}).ok());
  auto refused = load_identity(folder_, {{"a.example", "localhost"}, {"localhost"}, kToday, {}});
  ASSERT_FALSE(refused.ok());
}

TEST_F(IdentityTest, AnInterruptedStartIsRepeated) {
  ASSERT_TRUE(load({"a.example"}).ok());
  const std::string ca = text("ca.pem");
  for (const char* name : {"tls.pem", "tls.key"}) {
    fs::remove(folder_ / name);
    auto again = load({"a.example"});
    ASSERT_TRUE(again.ok()) << again.error().describe();
    EXPECT_TRUE(again->tls_certificate.issued_by(crypto::Certificate::from_pem(ca).value()));
    EXPECT_TRUE(check_identity(folder_, kToday).ok());
  }
  fs::remove(folder_ / "ca.pem");  // its key was written, and nothing more
  auto again = load({"a.example"});
  ASSERT_TRUE(again.ok());
  EXPECT_NE(text("ca.pem"), ca);
  EXPECT_TRUE(
      again->tls_certificate.issued_by(crypto::Certificate::from_pem(text("ca.pem")).value()));
}

TEST_F(IdentityTest, KeysOfOtherCertificatesAreCorrupt) {
  ASSERT_TRUE(load({"a.example"}).ok());
  auto other = crypto::EcKey::generate(crypto::Curve::p256).value().private_pem().value();
  ASSERT_TRUE(write_file(folder_ / "ca.key", other.bytes(), 0600).ok());
  auto loaded = load({"a.example"});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
  EXPECT_FALSE(check_identity(folder_, kToday).ok());
  fs::remove(folder_ / "ca.key");
  EXPECT_TRUE(load({"a.example"}).ok());
  ASSERT_TRUE(write_file(folder_ / "tls.key", other.bytes(), 0600).ok());
  EXPECT_FALSE(load({"a.example"}).ok());
  std::ofstream(folder_ / "tls.pem") << "x";
  loaded = load({"a.example"});
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message, HasSubstr("tls.pem"));
}

TEST_F(IdentityTest, CheckTellsTheDatesAndChangesNothing) {
  ASSERT_TRUE(load({"a.example"}).ok());
  const std::string before = text("tls.pem");
  auto dates = check_identity(folder_, kToday + 8 * kYear);
  ASSERT_TRUE(dates.ok());
  EXPECT_TRUE(dates->renewable);
  EXPECT_GT(dates->ca_expires, dates->tls_expires);
  EXPECT_EQ(text("tls.pem"), before);
  EXPECT_FALSE(check_identity(folder_, kToday + 30 * kYear).ok());
}

}  // namespace
}  // namespace bartizan::attest::broker
