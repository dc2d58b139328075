// The host's vsock services, as the guest's end of the stream sees them.
#include "vmm/machine/services.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "attest/evidence/certificate_table.hpp"
#include "attest/evidence/simulated_signer.hpp"
#include "attest/evidence/snp_report.hpp"
#include "guest/init/host/evidence_source.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::vmm::machine {
namespace {

class ServicesTest : public ::testing::Test {
 protected:
  void serve(ServiceOptions options) {
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop.ok());
    loop_ = std::move(*loop);
    services_ = std::make_unique<Services>(*loop_, std::move(options));
    ports_ = services_->ports();
  }
  void run_for(uint64_t milliseconds) {
    loop_->call_after(milliseconds, [this] { loop_->stop(); });
    loop_->run();
  }
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Services> services_;
  std::map<uint32_t, virtio::Connect> ports_;
};

TEST_F(ServicesTest, AReportForEachRequest) {
  auto signer = attest::evidence::SimulatedSigner::create();
  ASSERT_TRUE(signer.ok());
  ServiceOptions options;
  options.signer = std::move(*signer);
  options.fields.host_data[0] = 0x42;
  serve(std::move(options));
  EXPECT_FALSE(ports_.contains(guest_abi::kKeyVsockPort)) << "no disk_key, no key service";
  auto stream = ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort);
  ASSERT_TRUE(stream.ok());
  Bytes data(64, 7);
  ASSERT_EQ(::write(stream->get(), data.data(), 10), 10);  // in two pieces
  ASSERT_EQ(::write(stream->get(), data.data() + 10, 54), 54);
  run_for(200);
  Bytes answer(64 * 1024);
  ssize_t got = ::read(stream->get(), answer.data(), answer.size());
  ASSERT_GT(got, 4 + 1184);
  EXPECT_EQ(load_le<uint32_t>(answer.data()), 1184u);
  auto report = attest::evidence::SnpReport::parse(ByteView(answer).subspan(4, 1184));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->report_data[63], 7);
  EXPECT_EQ(report->host_data[0], 0x42);
  EXPECT_EQ(load_le<uint32_t>(answer.data() + 4 + 1184), static_cast<uint32_t>(got) - 1184 - 8);
  EXPECT_EQ(::read(stream->get(), answer.data(), 1), 0) << "closed after the answer";
}

// SNP: the guest has its report, and may lack the certificates to it.
TEST_F(ServicesTest, CertificatesWithoutAReportWhereTheGuestHasItsOwn) {
  ServiceOptions options;
  options.certificates = attest::evidence::encode_certificate_table({Bytes(1500, 1)});
  const Bytes table = options.certificates;
  serve(std::move(options));
  auto stream = ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort);
  ASSERT_TRUE(stream.ok());
  Bytes data(64, 7), answer(64 * 1024);
  ASSERT_EQ(::write(stream->get(), data.data(), data.size()), 64);
  run_for(100);
  ssize_t got = ::read(stream->get(), answer.data(), answer.size());
  ASSERT_EQ(got, static_cast<ssize_t>(8 + table.size()));
  EXPECT_EQ(load_le<uint32_t>(answer.data()), 0u) << "no report";
  EXPECT_EQ(load_le<uint32_t>(answer.data() + 4), table.size());
  answer.resize(static_cast<size_t>(got));
  EXPECT_EQ(Bytes(answer.begin() + 8, answer.end()), table);
  services_->stage_reached(7);
  EXPECT_FALSE(ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort).ok());
}

// Both ends: what the owner gave this host is what goes into the guest's evidence.
TEST_F(ServicesTest, TheGuestReadsTheCertificatesAsTheyWereGiven) {
  const std::vector<Bytes> chain = {Bytes(1400, 1), Bytes(1600, 2), Bytes(1700, 3)};
  ServiceOptions options;
  options.certificates = attest::evidence::encode_certificate_table(chain);
  serve(std::move(options));
  auto stream = ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort);
  ASSERT_TRUE(stream.ok());
  ::fcntl(stream->get(), F_SETFL, 0);  // a guest's socket waits
  std::vector<Bytes> got;
  std::thread guest([&] {
    auto answer = guest::init::host::ask_report_service(stream->get(), Bytes(64, 7));
    if (answer.ok()) got = answer->certificates;
    loop_->stop();
  });
  loop_->run();
  guest.join();
  EXPECT_EQ(got, chain);
}

TEST_F(ServicesTest, ReportRequestsAreBounded) {
  auto signer = attest::evidence::SimulatedSigner::create();
  ASSERT_TRUE(signer.ok());
  ServiceOptions options;
  options.signer = std::move(*signer);
  serve(std::move(options));
  std::vector<UniqueFd> open;
  for (int i = 0; i < 1000; ++i) {
    auto stream = ports_.at(guest_abi::kReportVsockPort)(guest_abi::kReportVsockPort);
    if (stream.ok()) open.push_back(std::move(*stream));
  }
  EXPECT_LE(open.size(), 16u);
  open.clear();
  EXPECT_EQ(open.size(), 0u);
}

// Any process of the workload can connect to a port.
TEST_F(ServicesTest, WhatServesTheBootEndsWithTheBoot) {
  auto signer = attest::evidence::SimulatedSigner::create();
  ASSERT_TRUE(signer.ok());
  ServiceOptions options;
  options.signer = std::move(*signer);
  options.disk_key = SecretBytes::from_string("open sesame");
  options.broker_url = "https://kbs:1";
  serve(std::move(options));
  auto open = [this](uint32_t port) { return ports_.at(port)(port); };
  services_->stage_reached(static_cast<uint32_t>(guest_abi::BootStage::broker));
  EXPECT_TRUE(open(guest_abi::kReportVsockPort).ok());
  services_->stage_reached(static_cast<uint32_t>(guest_abi::BootStage::verity));
  services_->stage_reached(static_cast<uint32_t>(guest_abi::BootStage::pid1));  // a lie is too late
  for (uint32_t port :
       {guest_abi::kReportVsockPort, guest_abi::kKeyVsockPort, guest_abi::kBrokerVsockPort}) {
    auto late = open(port);
    ASSERT_FALSE(late.ok()) << port;
    EXPECT_NE(late.error().message.find("closed since stage verity"), std::string::npos);
  }
}

TEST_F(ServicesTest, TheKeyIsGivenOnceAndTheSignalsHaveOneReader) {
  ServiceOptions options;
  options.disk_key = SecretBytes::from_string("open sesame");
  serve(std::move(options));
  for (uint32_t port : {guest_abi::kKeyVsockPort, guest_abi::kSignalVsockPort}) {
    auto first = ports_.at(port)(port);
    ASSERT_TRUE(first.ok()) << port;
    EXPECT_FALSE(ports_.at(port)(port).ok()) << port;
    first->reset();
    EXPECT_FALSE(ports_.at(port)(port).ok()) << "also after the first reader is gone";
  }
}

// Two blocks; either may be empty.
TEST_F(ServicesTest, WhatTheHostHasForTheBroker) {
  ServiceOptions options;
  options.broker_url = "https://kbs:8443";
  options.statement = "a.b.c";
  serve(std::move(options));
  auto stream = ports_.at(guest_abi::kBrokerVsockPort)(guest_abi::kBrokerVsockPort);
  ASSERT_TRUE(stream.ok());
  char buffer[64];
  ASSERT_EQ(::read(stream->get(), buffer, sizeof buffer), 4 + 16 + 4 + 5);
  EXPECT_EQ(std::string(buffer, 29), std::string("\x10\0\0\0https://kbs:8443\x05\0\0\0a.b.c", 29));
  EXPECT_EQ(::read(stream->get(), buffer, sizeof buffer), 0);
}

TEST_F(ServicesTest, AStatementAloneGoesToTheGuestToo) {
  ServiceOptions options;
  options.statement = "a.b.c";
  serve(std::move(options));
  auto stream = ports_.at(guest_abi::kBrokerVsockPort)(guest_abi::kBrokerVsockPort);
  ASSERT_TRUE(stream.ok());
  char buffer[64];
  ASSERT_EQ(::read(stream->get(), buffer, sizeof buffer), 4 + 4 + 5);
  EXPECT_EQ(std::string(buffer, 13), std::string("\0\0\0\0\x05\0\0\0a.b.c", 13));
}

TEST_F(ServicesTest, TheKeyAndTheSignals) {
  ServiceOptions options;
  options.disk_key = SecretBytes::from_string("open sesame");
  serve(std::move(options));
  EXPECT_FALSE(ports_.contains(guest_abi::kReportVsockPort));
  EXPECT_FALSE(ports_.contains(guest_abi::kBrokerVsockPort));
  auto key = ports_.at(guest_abi::kKeyVsockPort)(guest_abi::kKeyVsockPort);
  ASSERT_TRUE(key.ok());
  char buffer[64];
  ASSERT_EQ(::read(key->get(), buffer, sizeof buffer), 11);
  EXPECT_EQ(std::string(buffer, 11), "open sesame");
  EXPECT_EQ(::read(key->get(), buffer, sizeof buffer), 0);
  services_->send_signal(10);
  auto signals = ports_.at(guest_abi::kSignalVsockPort)(guest_abi::kSignalVsockPort);
  ASSERT_TRUE(signals.ok());
  services_->send_signal(15);
  ASSERT_EQ(::read(signals->get(), buffer, sizeof buffer), 2) << "one sent before the guest asked";
  EXPECT_EQ(buffer[0], 10);
  EXPECT_EQ(buffer[1], 15);
}

}  // namespace
}  // namespace bartizan::vmm::machine
