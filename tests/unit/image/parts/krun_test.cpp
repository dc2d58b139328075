// The KRUN footer of a disk and the configuration in it.
#include "image/parts/krun.hpp"

#include <gtest/gtest.h>

#include "image/parts/tee_config.hpp"

namespace bartizan::image {
namespace {

TEST(KrunFooter, EndsWholeBlocks) {
  for (size_t size : {0, 1, 4083, 4084, 4085, 8180}) {
    std::string json(size, 'j');
    Bytes footer = parts::krun_footer(json);
    EXPECT_EQ(footer.size() % 4096, 0u);
    EXPECT_EQ(parts::parse_krun_footer(footer).value(), json);
  }
  EXPECT_EQ(parts::krun_footer(std::string(4084, 'j')).size(), 4096u);
}

TEST(KrunFooter, RefusesLies) {
  Bytes footer = parts::krun_footer("{}");
  auto changed = [&](size_t from_end, uint8_t value) {
    Bytes copy = footer;
    copy[copy.size() - from_end] = value;
    return parts::parse_krun_footer(copy);
  };
  EXPECT_EQ(changed(12, 'k').error().code, ErrorCode::corrupt);
  EXPECT_EQ(changed(6, 1).error().code, ErrorCode::corrupt);  // 64 KiB more than there is
  EXPECT_EQ(changed(1, 0xff).error().code, ErrorCode::corrupt);
  EXPECT_EQ(parts::parse_krun_footer(Bytes(5)).error().code, ErrorCode::corrupt);
}

TEST(KrunConfig, RoundTripAndBounds) {
  parts::KrunConfig config{"id", "https://x", 3, 700};
  auto again = parts::parse_krun_json(parts::krun_json(config).value()).value();
  EXPECT_EQ(again.workload_id, "id");
  EXPECT_EQ(again.vcpus, 3u);
  EXPECT_EQ(again.ram_mib, 700u);
  EXPECT_EQ(parts::parse_krun_json(parts::krun_json({"id", "", 256, 1}).value()).error().code,
            ErrorCode::corrupt);
}

// What libkrun and buildah write, and what says SEV-ES besides.
TEST(KrunConfig, NamesItsTee) {
  EXPECT_EQ(parts::krun_json({"id", "", 1, 512}).value(),
            R"({"attestation_url":"","cpus":1,"ram_mib":512,"tee":"snp",)"
            R"("tee_data":"{\"gen\":\"milan\"}","workload_id":"id"})");
  for (Tee tee : {Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    SCOPED_TRACE(to_string(tee));
    parts::KrunConfig config;
    ASSERT_TRUE(parts::set_tee(config, tee, "").ok());
    auto again = parts::parse_krun_json(parts::krun_json(config).value()).value();
    EXPECT_EQ(parts::tee_of(again).value(), tee);
    EXPECT_EQ(again.tee, tee == Tee::sev_es ? "sev" : to_string(tee)) << "libkrun's words";
  }
  parts::KrunConfig config;
  ASSERT_TRUE(parts::set_tee(config, Tee::sev_es, R"({"vendor_chain":"/sev.chain"})").ok());
  EXPECT_EQ(config.tee_data, R"({"es":true,"vendor_chain":"/sev.chain"})");
  EXPECT_EQ(parts::set_tee(config, Tee::sev, R"({"es":true})").error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(parts::set_tee(config, Tee::snp, "[]").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(parts::set_tee(config, Tee::simulated, "").error().code, ErrorCode::invalid_argument);
  config.tee = "cca";
  EXPECT_EQ(parts::tee_of(config).error().code, ErrorCode::corrupt);
}

// libkrun's examples/sev-config.json, with SEV's own data.
TEST(TeeConfig, IsThatOfLibkrun) {
  auto config = parts::parse_tee_config(R"({"workload_id": "sevtest", "cpus": 2, "ram_mib": 2048,
    "tee": "sev", "tee_data": "{\"vendor_chain\": \"/sev.chain\"}",
    "attestation_url": "https://10.0.2.2:8000"})");
  ASSERT_TRUE(config.ok()) << config.error().describe();
  EXPECT_EQ(config->workload_id, "sevtest");
  EXPECT_EQ(config->vcpus, 2u);
  EXPECT_EQ(config->ram_mib, 2048u);
  EXPECT_EQ(config->tee, Tee::sev);
  EXPECT_EQ(config->tee_data, R"({"vendor_chain": "/sev.chain"})");
  EXPECT_EQ(config->attestation_url, "https://10.0.2.2:8000");
  auto some = parts::parse_tee_config(R"({"cpus": 3, "attestation_url": ""})").value();
  EXPECT_FALSE(some.workload_id || some.ram_mib || some.tee || some.attestation_url);
  EXPECT_EQ(parts::parse_tee_config(R"({"tee":"sev","tee_data":"{\"es\":true}"})").value().tee,
            Tee::sev_es);
}

TEST(TeeConfig, ErrorsNameKeyAndValue) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"cpu":2})", "\"cpu\" 2: unknown key"},
      {R"({"cpus":"2"})", "\"cpus\" \"2\""},
      {R"({"cpus":0})", "\"cpus\" 0: must be a number from 1 to 254"},
      {R"({"cpus":255})", "\"cpus\" 255"},
      {R"({"cpus":-1})", "\"cpus\" -1"},
      {R"({"cpus":1.5})", "\"cpus\" 1.5"},
      {R"({"ram_mib":127})", "\"ram_mib\" 127: must be a number from 128 to 262144"},
      {R"({"ram_mib":99999999999999})", "\"ram_mib\" 99999999999999"},
      {R"({"tee":"sgx"})", "\"tee\" \"sgx\""},
      {R"({"tee":"simulated"})", "\"tee\" \"simulated\""},
      {R"({"tee":4})", "\"tee\" 4"},
      {R"({"tee_data":{}})", "\"tee_data\" {}: must be a string"},
      {R"({"tee_data":"x"})", "tee_data \"x\": not a JSON object"},
      {R"({"workload_id":1})", "\"workload_id\" 1"},
      {R"([])", "not a JSON object"}};
  for (const auto& [text, said] : wrong) {
    auto config = parts::parse_tee_config(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_EQ(config.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_NE(config.error().message.find(said), std::string::npos) << config.error().message;
  }
  EXPECT_EQ(parts::parse_tee_config("{").error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::image
