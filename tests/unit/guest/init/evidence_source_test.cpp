// Reports as the guest takes them: about what was asked, or refused; and whose fault a failure was.
#include "guest/init/host/evidence_source.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>

#include "attest/evidence/certificate_table.hpp"
#include "attest/evidence/simulated_signer.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "guest/init/host/tsm_report.hpp"

namespace bartizan::guest::init {
namespace {

using ReportData = std::array<uint8_t, 64>;

// Answers with a report about `answer`, whatever is asked.
class FixedSource : public EvidenceSource {
 public:
  explicit FixedSource(ReportData answer) : answer_(answer) {}
  Tee tee() const override { return Tee::simulated; }
  Result<Evidence> evidence(std::span<const uint8_t>) override {
    attest::evidence::SimulatedSigner::Fields fields;
    fields.report_data = answer_;
    fields.host_data.fill(0x11);
    auto signer = attest::evidence::SimulatedSigner::create();
    if (!signer.ok()) return signer.error();
    auto evidence = signer->sign(fields);
    if (evidence.ok() && cut_) evidence->report.pop_back();
    return evidence;
  }
  void cut() { cut_ = true; }

 private:
  ReportData answer_;
  bool cut_ = false;
};

class BrokenSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::snp; }
  Result<Evidence> evidence(std::span<const uint8_t>) override {
    return make_error(ErrorCode::io, "test", "device gone");
  }
};

ReportData filled(uint8_t value) {
  ReportData data;
  data.fill(value);
  return data;
}

// A stream on which the host has said all that it says.
struct Host {
  UniqueFd guest, host;
  explicit Host(const Bytes& answer) {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    guest = UniqueFd(pair[0]);
    host = UniqueFd(pair[1]);
    EXPECT_TRUE(write_all(host.get(), answer, "answer").ok());
    ::shutdown(host.get(), SHUT_WR);
  }
  Result<host::HostEvidence> ask() { return host::ask_report_service(guest.get(), filled(7)); }
};

Bytes block(ByteView content, int more = 0) {
  Bytes bytes(4);
  store_le(bytes.data(), static_cast<uint32_t>(content.size() + static_cast<size_t>(more)));
  bytes.insert(bytes.end(), content.begin(), content.end());
  return bytes;
}

Bytes joined(Bytes one, const Bytes& two) {
  one.insert(one.end(), two.begin(), two.end());
  return one;
}

// What a KVM without KVM_SEV_SNP_ENABLE_REQ_CERTS leaves to the report service.
TEST(ReportService, ItsCertificatesReachAGuestThatHasItsOwnReport) {
  const std::vector<Bytes> chain = {Bytes(1400, 1), Bytes(1600, 2), Bytes(1700, 3)};
  Host host(joined(block({}), block(attest::evidence::encode_certificate_table(chain))));
  auto answer = host.ask();
  ASSERT_TRUE(answer.ok()) << answer.error().describe();
  EXPECT_TRUE(answer->report.empty());
  EXPECT_EQ(answer->certificates, chain);
}

TEST(ReportService, AHostileAnswerIsAnErrorAndNoMore) {
  Bytes table = attest::evidence::encode_certificate_table({Bytes(100, 1), Bytes(100, 2)});
  Bytes outside = table, beyond = table, twice = table;
  store_le<uint32_t>(&outside[16], 0xffff'fff0);                         // offset
  store_le<uint32_t>(&beyond[20], static_cast<uint32_t>(table.size()));  // length
  std::copy_n(table.begin(), 16, twice.begin() + 24);                    // GUID
  const Bytes endless(512, 0x41);  // entries without the one that ends them
  const Bytes hostile[] = {
      {},
      Bytes(3),
      block(Bytes(1185)),
      block(Bytes(1184)),
      joined(block({}), block(Bytes(16385))),
      joined(block({}), block({}, -1)),  // 4 GiB
      joined(block({}), block(table, 1)),
      joined(block({}), block({})),
      joined(block({}), block(Bytes(23))),
      joined(block({}), block(endless)),
      joined(block({}), block(outside)),
      joined(block({}), block(beyond)),
      joined(block({}), block(twice)),
  };
  for (const Bytes& answer : hostile) {
    auto got = Host(answer).ask();
    ASSERT_FALSE(got.ok()) << to_hex(ByteView(answer).first(std::min<size_t>(answer.size(), 40)));
    EXPECT_TRUE(got.error().code == ErrorCode::protocol || got.error().code == ErrorCode::corrupt)
        << got.error().describe();
  }
}

TEST(FreshReport, GivesTheFieldsOfTheReport) {
  FixedSource source(filled(7));
  auto report = host::fresh_report(source, filled(7));
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_EQ(report->host_data[0], 0x11);
}

TEST(FreshReport, RefusesAReportAboutSomethingElse) {
  FixedSource source(filled(7));
  auto report = host::fresh_report(source, filled(8));
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::verification_failed);
  EXPECT_EQ(report.error().reason, "report_data");
}

TEST(FreshReport, RefusesAReportOfTheWrongSize) {
  FixedSource source(filled(7));
  source.cut();
  auto report = host::fresh_report(source, filled(7));
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::corrupt);
}

TEST(WatchedSource, RemembersWhoFailed) {
  BrokenSource broken;
  host::WatchedSource watched(broken);
  EXPECT_FALSE(watched.failed());
  EXPECT_FALSE(watched.evidence(filled(0)).ok());
  EXPECT_TRUE(watched.failed());
  EXPECT_EQ(watched.tee(), Tee::snp);

  FixedSource good(filled(0));
  host::WatchedSource content(good);
  EXPECT_TRUE(content.evidence(filled(0)).ok());
  EXPECT_FALSE(content.failed());
}

// An entry of configfs-tsm, as ordinary files.
class TsmReport : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-tsm-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    entry_ = name;
    put("provider", "tdx_guest\n");
    put("inblob", "");
    put("outblob", "a quote");
  }
  void TearDown() override { std::filesystem::remove_all(entry_); }
  void put(const char* name, std::string_view text) {
    ASSERT_TRUE(write_file(entry_ / name, as_bytes(text)).ok());
  }
  std::filesystem::path entry_;
};

TEST_F(TsmReport, IsOverWhatWasAsked) {
  auto quote = host::report_of_entry(entry_, filled(7));
  ASSERT_TRUE(quote.ok()) << quote.error().describe();
  EXPECT_EQ(as_text(*quote), "a quote");
  const ReportData asked = filled(7);
  EXPECT_EQ(read_file(entry_ / "inblob", 100).value(), Bytes(asked.begin(), asked.end()));
}

TEST_F(TsmReport, OfAnotherProviderIsRefused) {
  put("provider", "sev_guest\n");
  auto quote = host::report_of_entry(entry_, filled(7));
  ASSERT_FALSE(quote.ok());
  EXPECT_EQ(quote.error().reason, "tee");
  EXPECT_TRUE(read_file(entry_ / "inblob", 100).value().empty());
}

TEST_F(TsmReport, AHostWithoutQuotesIsNamed) {
  put("outblob", "");
  EXPECT_NE(host::report_of_entry(entry_, filled(7)).error().message.find("--quote-service"),
            std::string::npos);
  std::filesystem::remove(entry_ / "outblob");
  EXPECT_EQ(host::report_of_entry(entry_, filled(7)).error().code, ErrorCode::io);
  put("outblob", std::string(host::kMaxTsmReport + 1, 'q'));
  EXPECT_EQ(host::report_of_entry(entry_, filled(7)).error().code, ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace bartizan::guest::init
