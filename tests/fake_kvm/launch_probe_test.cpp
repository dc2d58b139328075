// probe() of hardware TEEs on played hosts: the first thing that is missing, and what to do.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "fake_kvm/launch_support.hpp"
#include "vmm/host/probe.hpp"
#include "vmm/host/probe_tee.hpp"

namespace bartizan::launches {
namespace {

using ::testing::HasSubstr;

class TeeProbeTest : public ::testing::Test {
 protected:
  TeeProbeTest() {
    char folder[] = "/tmp/bartizan-probe-XXXXXX";
    root = ::mkdtemp(folder);
    for (const char* parameter : {"kvm_amd/parameters/sev", "kvm_amd/parameters/sev_es",
                                  "kvm_amd/parameters/sev_snp", "kvm_intel/parameters/tdx"}) {
      put(std::string("sys/module/") + parameter, "Y\n");
    }
    put("dev/sev", "");
    put("sys/fs/cgroup/misc.capacity", "sev 410\nsev_es 99\ntdx 31\n");
    put("sys/fs/cgroup/misc.current", "sev 3\nsev_es 98\ntdx 0\n");
  }
  ~TeeProbeTest() override { std::filesystem::remove_all(root); }
  void put(const std::filesystem::path& name, const char* text) {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
  }
  TeeProbe probe(Tee tee) { return vmm::host::probe_hardware_tee(tee, {kernel, "/dev/kvm", root}); }

  std::filesystem::path root;
  std::shared_ptr<TeeKernel> kernel = std::make_shared<TeeKernel>();
};

TEST(ProbeBundle, WhatItsKernelCannotBeAGuestOfIsNotAvailable) {
  BundleInfo bundle;
  bundle.path = "some/bundle";
  bundle.kernel_release = "6.1-test";
  bundle.tees = {Tee::none, Tee::simulated};
  TeeProbe snp{Tee::snp, true, {}, {}, 10, 2}, simulated{Tee::simulated, true};
  TeeProbe tdx{Tee::tdx, false, "no TDX module", "another host"};
  for (TeeProbe* tee : {&snp, &simulated, &tdx}) vmm::host::limit_to_bundle(bundle, *tee);
  EXPECT_TRUE(simulated.available);
  EXPECT_FALSE(snp.available);
  EXPECT_EQ(snp.missing,
            "guest bundle some/bundle: its kernel 6.1-test can be a guest of none, simulated, not "
            "of snp");
  EXPECT_THAT(snp.advice, HasSubstr("CONFIG_SEV_GUEST"));
  EXPECT_EQ(tdx.missing, "no TDX module") << "what the host lacks comes first";
}

TEST_F(TeeProbeTest, AHostThatHasAll) {
  for (Tee tee : {Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    TeeProbe answer = probe(tee);
    EXPECT_TRUE(answer.available) << to_string(tee) << answer.missing;
    EXPECT_EQ(answer.missing + answer.advice, "");
    EXPECT_TRUE(vmm::host::require_tee(tee, {kernel, "/dev/kvm", root}).ok());
  }
  EXPECT_EQ(probe(Tee::sev).capacity, 410u);
  EXPECT_EQ(probe(Tee::sev).in_use, 3u);
  EXPECT_EQ(probe(Tee::snp).capacity, 99u);  // SNP guests take SEV-ES ASIDs
  EXPECT_EQ(probe(Tee::tdx).capacity, 31u);
}

TEST_F(TeeProbeTest, ModuleParameterOff) {
  put("sys/module/kvm_amd/parameters/sev_snp", "N\n");
  EXPECT_THAT(probe(Tee::snp).missing, HasSubstr("sev_snp: off"));
  EXPECT_THAT(probe(Tee::snp).advice, HasSubstr("load kvm_amd with sev_snp=1"));
  EXPECT_TRUE(probe(Tee::sev).available);
}

TEST_F(TeeProbeTest, OtherVendorsHost) {
  std::filesystem::remove_all(root / "sys/module/kvm_intel");
  EXPECT_THAT(probe(Tee::tdx).missing, HasSubstr("kvm_intel/parameters/tdx: not there"));
  EXPECT_THAT(probe(Tee::tdx).advice, HasSubstr("needs an Intel Xeon"));
  auto refused = vmm::host::require_tee(Tee::tdx, {kernel, "/dev/kvm", root});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("TEE tdx: /sys/module/kvm_intel"));
}

TEST_F(TeeProbeTest, NoDevice) {
  std::filesystem::remove(root / "dev/sev");
  EXPECT_EQ(probe(Tee::sev_es).missing, "/dev/sev: not there");
  EXPECT_THAT(probe(Tee::sev_es).advice, HasSubstr("ccp"));
  EXPECT_TRUE(probe(Tee::tdx).available);
}

TEST_F(TeeProbeTest, DeviceThatMayNotBeOpened) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may open everything";
  ::chmod((root / "dev/sev").c_str(), 0);
  EXPECT_EQ(probe(Tee::snp).missing, "/dev/sev: may not be opened");
}

TEST_F(TeeProbeTest, KernelWithoutThatVmType) {
  kernel->host().vm_types = 1 << 0 | 1 << 2;
  EXPECT_TRUE(probe(Tee::sev).available);
  EXPECT_EQ(probe(Tee::snp).missing, "KVM_CAP_VM_TYPES: no VMs of type 4");
  EXPECT_THAT(probe(Tee::snp).advice, HasSubstr("Linux 6.11"));
}

TEST_F(TeeProbeTest, KvmThatMayNotBeOpened) {
  kernel->host().kvm_open_errno = EACCES;
  EXPECT_THAT(probe(Tee::snp).missing, HasSubstr("/dev/kvm: open"));
}

TEST_F(TeeProbeTest, AllSlotsInUse) {
  put("sys/fs/cgroup/misc.current", "sev 410\nsev_es 99\ntdx 31\n");
  EXPECT_EQ(probe(Tee::tdx).missing, "all 31 tdx slots are in use");
  EXPECT_EQ(probe(Tee::snp).missing, "all 99 sev_es slots are in use");
}

TEST_F(TeeProbeTest, FirmwareThatSetNoneAside) {
  put("sys/fs/cgroup/misc.capacity", "sev 509\nsev_es 0\n");
  EXPECT_EQ(probe(Tee::sev_es).missing, "misc.capacity: no sev_es slot");
  EXPECT_THAT(probe(Tee::sev_es).advice, HasSubstr("set aside in the BIOS"));
}

// Without the misc controller nobody knows: the launch will tell.
TEST_F(TeeProbeTest, NoMiscCgroup) {
  std::filesystem::remove(root / "sys/fs/cgroup/misc.capacity");
  EXPECT_TRUE(probe(Tee::snp).available);
  EXPECT_EQ(probe(Tee::snp).capacity, 0u);
  put("sys/fs/cgroup/misc.capacity", "sev\n\nsev_es many\ntdx 18446744073709551616\n");
  EXPECT_TRUE(probe(Tee::snp).available);
  EXPECT_TRUE(probe(Tee::tdx).available);
}

}  // namespace
}  // namespace bartizan::launches
