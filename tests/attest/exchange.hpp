// A broker on a loopback port, a workload in it, and a guest whose evidence a test may bend.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>

#include "attest/evidence/simulated_signer.hpp"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"

namespace bartizan::test {

// A guest of the simulated TEE. `bend` may change a report before it is signed; with `replay` set,
// the first evidence is sent again and again.
class Guest : public EvidenceSource {
 public:
  explicit Guest(const attest::evidence::SimulatedSigner& signer) : signer_(signer) {}
  Tee tee() const override { return claimed; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    if (replay && last) return *last;
    attest::evidence::SnpReport report = signer_.report_template();
    report.measurement = measurement;
    report.host_data = host_data;
    std::copy(report_data.begin(), report_data.end(), report.report_data.begin());
    if (bend) bend(report);
    auto signed_report = signer_.sign_report(report);
    if (signed_report.ok()) last = *signed_report;
    return signed_report;
  }

  Tee claimed = Tee::simulated;
  std::array<uint8_t, 48> measurement{};
  std::array<uint8_t, 32> host_data{};
  std::function<void(attest::evidence::SnpReport&)> bend;
  bool replay = false;
  std::optional<Evidence> last;

 private:
  const attest::evidence::SimulatedSigner& signer_;
};

class BrokerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-broker-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    BrokerOptions options;
    options.state = folder_ / "state";
    options.port = 0;
    options.log = [this](LogLevel, std::string_view line) {
      std::lock_guard lock(mutex_);
      log_ += std::string(line) + "\n";
    };
    configure(options);
    auto broker = Broker::start(std::move(options));
    ASSERT_TRUE(broker.ok()) << broker.error().describe();
    broker_.emplace(std::move(*broker));
    auto signer = attest::evidence::SimulatedSigner::create();
    ASSERT_TRUE(signer.ok()) << signer.error().describe();
    signer_.emplace(std::move(*signer));
  }
  void TearDown() override {
    broker_.reset();
    std::filesystem::remove_all(folder_);
  }

  virtual void configure(BrokerOptions&) {}

  SecretBytes token() {
    std::ifstream file(broker_->admin_token_path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    return SecretBytes::from_string(text);
  }
  BrokerAccess access() { return {broker_->url(), broker_->ca_pem(), token()}; }

  static Workload workload(uint8_t number) {
    Workload made;
    made.id = "workload-" + std::to_string(number);
    made.workload_digest.assign(32, number);
    made.measurements = {std::vector<uint8_t>(48, 0xaa), std::vector<uint8_t>(48, 0x77)};
    made.allow_simulated = true;
    made.resource = "default/disk-key/" + made.id;
    made.disk_key = SecretBytes::from_string("the key of " + made.id);
    return made;
  }
  void add(const Workload& made, bool replace = false) {
    BrokerAccess to = access();
    to.replace = replace;
    auto added = register_workload(to, made);
    ASSERT_TRUE(added.ok()) << added.error().describe();
  }
  Guest guest(uint8_t number) {
    Guest made(*signer_);
    made.host_data.fill(number);
    made.measurement.fill(0x77);
    return made;
  }
  Result<SecretBytes> request(Guest& guest, const std::string& resource) {
    return request_key({broker_->url(), broker_->ca_pem(), resource, 60'000}, guest);
  }

  std::filesystem::path folder_;
  std::optional<Broker> broker_;
  std::optional<attest::evidence::SimulatedSigner> signer_;
  std::mutex mutex_;
  std::string log_;
};

inline void expect_refused(const Result<SecretBytes>& result, std::string_view reason) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::verification_failed) << result.error().describe();
  EXPECT_EQ(result.error().reason, reason) << result.error().describe();
}

}  // namespace bartizan::test
