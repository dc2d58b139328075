// probe(): the answers for hosts that lack something, and for this one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "bartizan/tee.hpp"
#include "vmm/host/probe.hpp"

namespace bartizan {
namespace {

using ::testing::HasSubstr;

TEST(Probe, MissingDeviceIsAnAnswer) {
  auto host = probe({"/nonexistent/kvm", 1000});
  ASSERT_TRUE(host.ok());
  EXPECT_FALSE(host->kvm_usable);
  EXPECT_FALSE(host->runs_stock_kernels);
  EXPECT_THAT(host->kvm_missing, HasSubstr("/nonexistent/kvm"));
  EXPECT_FALSE(host->kvm_advice.empty());
  ASSERT_EQ(host->tees.size(), 6u);
  for (const TeeProbe& tee : host->tees) {
    EXPECT_FALSE(tee.available);
    EXPECT_FALSE(tee.missing.empty()) << to_string(tee.tee);
    EXPECT_FALSE(tee.advice.empty()) << to_string(tee.tee);
  }
}

TEST(Probe, AFileThatIsNoKvmIsAnAnswer) {
  auto host = probe({"/dev/null", 1000});
  ASSERT_TRUE(host.ok());
  EXPECT_FALSE(host->kvm_usable);
  EXPECT_THAT(host->kvm_missing, HasSubstr("KVM_GET_API_VERSION"));
}

TEST(Probe, TimeLimitIsChecked) {
  EXPECT_EQ(probe({"/dev/kvm", 0}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(probe({"/dev/kvm", 1u << 30}).error().code, ErrorCode::invalid_argument);
}

// A host whose kernel offers SNP: told from one that lacks the module parameter, or the device.
TEST(Probe, HardwareTeesAreToldByParameterAndDevice) {
  char folder[] = "/tmp/bartizan-probe-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  std::filesystem::path root = folder;
  auto snp = [&] {
    return vmm::host::probe_host({"/nonexistent", 100}, vmm::kvm::linux_kernel(), root)->tees[4];
  };
  EXPECT_THAT(snp().missing, HasSubstr("sev_snp"));
  std::filesystem::create_directories(root / "sys/module/kvm_amd/parameters");
  std::ofstream(root / "sys/module/kvm_amd/parameters/sev_snp") << "Y\n";
  EXPECT_THAT(snp().missing, HasSubstr("/dev/sev"));
  std::filesystem::create_directories(root / "dev");
  std::ofstream(root / "dev/sev") << "";
  EXPECT_THAT(snp().missing, HasSubstr("/nonexistent: open"));
  EXPECT_FALSE(snp().available);
  std::filesystem::remove_all(root);
}

TEST(Probe, ThisHostAnswersWithinItsTimeLimit) {
  auto start = std::chrono::steady_clock::now();
  auto host = probe({"/dev/kvm", 1500});
  ASSERT_TRUE(host.ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(host->runs_stock_kernels, host->kvm_missing.empty()) << host->kvm_missing;
  EXPECT_EQ(host->tees[0].available, host->runs_stock_kernels);
  std::cout << "runs stock kernels: " << host->runs_stock_kernels << " " << host->kvm_missing
            << "\n";
}

}  // namespace
}  // namespace bartizan
