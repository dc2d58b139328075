// The logic of scripts/hardware-check on played hosts.
#include <cstdlib>
#include <fstream>

#include "fake_kvm/launch_support.hpp"
#include "hardware_check/hardware_check.hpp"

namespace bartizan::launches {
namespace {

using ::testing::HasSubstr;

class HardwareCheck : public ::testing::Test {
 protected:
  HardwareCheck() {
    char folder[] = "/tmp/bartizan-hardware-XXXXXX";
    root = ::mkdtemp(folder);
    offer("kvm_amd/parameters/sev_snp");
    std::filesystem::create_directories(root / "dev");
    std::ofstream(root / "dev/sev") << "";
    kernel->host().c_bit = 51;
  }
  ~HardwareCheck() override { std::filesystem::remove_all(root); }
  void offer(const std::string& parameter) {
    auto path = root / "sys/module" / parameter;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << "Y\n";
  }
  void offer_all() {
    for (auto name :
         {"kvm_amd/parameters/sev", "kvm_amd/parameters/sev_es", "kvm_intel/parameters/tdx"}) {
      offer(name);
    }
  }
  Json check() {
    return hardware_check::hardware_check(
        {{kernel, "/dev/kvm", root}, std::chrono::milliseconds(200), stock});
  }
  static fakes::GuestStep shutdown() {
    return fakes::guest::exit([](kvm_run& run) {
      run.exit_reason = KVM_EXIT_SHUTDOWN;
      return 0;
    });
  }
  // What the guest with encrypted registers does: reason set 7, code 0x2a.
  static fakes::GuestStep termination(uint64_t code = 0x2a) {
    return fakes::guest::exit([code](kvm_run& run) {
      run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
      run.system_event.type = vmm::kvm::kSystemEventSevTerminate;
      run.system_event.ndata = 1;
      run.system_event.data[0] = 0x100 | 7 << 12 | code << 16;
      return 0;
    });
  }

  std::function<Result<Json>(Tee)> stock;
  std::filesystem::path root;
  std::shared_ptr<TeeKernel> kernel = std::make_shared<TeeKernel>();
};

TEST_F(HardwareCheck, SnpThatWorks) {
  kernel->scripts()[0] = {termination()};
  Json snp = check()["tees"][2];
  EXPECT_EQ(snp["tee"], "snp");
  EXPECT_EQ(snp["available"], true);
  const Json& launch = snp["launch"];
  EXPECT_EQ(launch["ok"], true) << snp.dump();
  EXPECT_EQ(launch["guest_ran"], true);
  EXPECT_EQ(launch["digest_confirmed"], true);
  EXPECT_GT(launch["launch_ms"].get<double>(), 0.0);
  EXPECT_GT(launch["run_ms"].get<double>(), 0.0);
  EXPECT_EQ(launch["digest"].get<std::string>(), to_hex(kernel->last_vm().record().digest));
  EXPECT_TRUE(kernel->last_vm().record().id_block);
  EXPECT_THAT(kernel->findings(), ::testing::IsEmpty());
}

TEST_F(HardwareCheck, WhatTheHostLacksIsNotLaunched) {
  Json report = check();
  ASSERT_EQ(report["tees"].size(), 4u);
  EXPECT_EQ(report["version"], 1);
  EXPECT_FALSE(report["kernel"].get<std::string>().empty());
  const Json& tdx = report["tees"][3];
  EXPECT_EQ(tdx["available"], false);
  EXPECT_THAT(tdx["missing"].get<std::string>(), HasSubstr("kvm_intel"));
  EXPECT_FALSE(tdx.contains("launch"));
}

// A guest that ends in another way did not run our code.
TEST_F(HardwareCheck, AGuestThatDidSomethingElse) {
  kernel->scripts()[0] = {termination(1)};
  Json launch = check()["tees"][2]["launch"];
  EXPECT_EQ(launch["ok"], false);
  EXPECT_EQ(launch["guest_ran"], false);
  EXPECT_THAT(launch["guest_ended"].get<std::string>(), HasSubstr("code 0x1"));
}

TEST_F(HardwareCheck, AGuestThatHangs) {
  kernel->scripts()[0] = {};
  Json launch = check()["tees"][2]["launch"];
  EXPECT_EQ(launch["ok"], false);
  EXPECT_THAT(launch["error"].get<std::string>(), HasSubstr("did not end"));
}

TEST_F(HardwareCheck, ALaunchThatFailsSaysWhere) {
  kernel->host().asids = 0;
  Json launch = check()["tees"][2]["launch"];
  EXPECT_EQ(launch["ok"], false);
  EXPECT_THAT(launch["error"].get<std::string>(), HasSubstr("KVM_SEV_INIT2 (no free ASID"));
}

// A host whose KVM makes another VMSA than we measure: the ID block finds it.
TEST_F(HardwareCheck, ADigestThatDiffersIsFound) {
  kernel->host().machine_check = false;
  Json launch = check()["tees"][2]["launch"];
  EXPECT_EQ(launch["digest_confirmed"], false);
  EXPECT_THAT(launch["error"].get<std::string>(), HasSubstr("bad measurement"));
}

TEST_F(HardwareCheck, EveryTee) {
  offer_all();
  for (auto [index, step, wrote] :
       std::vector<std::tuple<size_t, fakes::GuestStep, bool>>{{0, shutdown(), true},
                                                               {1, termination(), false},
                                                               {2, termination(), false},
                                                               {3, shutdown(), false}}) {
    auto out = fakes::guest::exit([](kvm_run& run) {
      run.exit_reason = KVM_EXIT_IO;
      run.io = {};
      run.io.direction = KVM_EXIT_IO_OUT;
      run.io.size = 4;
      run.io.port = 0x0b04;
      run.io.count = 1;
      run.io.data_offset = 4096;
      uint32_t value = 0x2a;
      std::memcpy(reinterpret_cast<uint8_t*>(&run) + 4096, &value, sizeof value);
      return 0;
    });
    kernel->scripts()[0] = {step};
    if (wrote) kernel->scripts()[0].insert(kernel->scripts()[0].begin(), out);
    Json tee = check()["tees"][index];
    EXPECT_EQ(tee["launch"]["ok"], true) << tee.dump();
    EXPECT_TRUE(kernel->vm_count() > index);
  }
  EXPECT_THAT(kernel->findings(), ::testing::IsEmpty());
}

// With a bundle: a stock kernel in each TEE whose small guest ran, and baselines without hardware.
TEST_F(HardwareCheck, StockGuestsAttest) {
  std::vector<Tee> asked;
  stock = [&asked](Tee tee) -> Result<Json> {
    asked.push_back(tee);
    return Json{{"ok", true}, {"decision", "released"}};
  };
  kernel->scripts()[0] = {termination()};
  Json report = check();
  EXPECT_EQ(report["stock_guest"], true);
  EXPECT_EQ(report["baseline"]["none"]["ok"], true);
  EXPECT_EQ(report["baseline"]["simulated"]["ok"], true);
  EXPECT_EQ(report["tees"][2]["attestation"]["decision"], "released");
  EXPECT_FALSE(report["tees"][0].contains("attestation")) << "not offered";
  EXPECT_EQ(asked, (std::vector<Tee>{Tee::snp, Tee::none, Tee::simulated}));
  EXPECT_EQ(hardware_check::hardware_check_status(report), 0);
}

// A good machine does not fail because no kernel for its guests was found.
TEST_F(HardwareCheck, ABundleOfAKernelThatCannotBeSuchAGuestFailsNothing) {
  kernel->scripts()[0] = {termination()};
  stock = [](Tee tee) -> Result<Json> {
    if (tee == Tee::snp) return Json{{"not_tried", "guest bundle x"}};
    return Json{{"ok", true}};
  };
  Json report = check();
  EXPECT_EQ(report["tees"][2]["attestation"]["not_tried"], "guest bundle x");
  EXPECT_EQ(hardware_check::hardware_check_status(report), 0);
}

TEST_F(HardwareCheck, AStockGuestThatIsRefused) {
  kernel->scripts()[0] = {termination()};
  stock = [](Tee tee) -> Result<Json> {
    if (tee == Tee::simulated) return Json{{"ok", false}, {"reason", "measurement"}};
    return Error{ErrorCode::io, 0, "test", "no broker", {}, {}, {}};
  };
  Json report = check();
  EXPECT_EQ(report["tees"][2]["launch"]["ok"], true);
  EXPECT_EQ(report["tees"][2]["attestation"]["ok"], false);
  EXPECT_THAT(report["tees"][2]["attestation"]["error"].get<std::string>(), HasSubstr("no broker"));
  EXPECT_EQ(report["baseline"]["simulated"]["reason"], "measurement");
  EXPECT_EQ(hardware_check::hardware_check_status(report), 1);
}

// Whoever cannot run ten instructions need not try a kernel; and without a bundle nobody does.
TEST_F(HardwareCheck, NoStockGuestAfterAFailureOrWithoutABundle) {
  kernel->scripts()[0] = {termination()};
  Json report = check();
  EXPECT_EQ(report["stock_guest"], false);
  EXPECT_FALSE(report.contains("baseline"));
  EXPECT_FALSE(report["tees"][2].contains("attestation"));
  EXPECT_EQ(hardware_check::hardware_check_status(report), 0);
  stock = [](Tee) -> Result<Json> { return Json{{"ok", true}}; };
  kernel->scripts()[0] = {termination(1)};
  report = check();
  EXPECT_FALSE(report["tees"][2].contains("attestation"));
  EXPECT_EQ(hardware_check::hardware_check_status(report), 1);
  kernel->host().vm_types = 1;
  EXPECT_EQ(hardware_check::hardware_check_status(check()), 3);
}

// The guest's programs: what is launched is code, page tables with the C-bit, and nothing secret.
TEST_F(HardwareCheck, PlansHoldTheHostsCBit) {
  auto plan = hardware_check::hardware_check_plan(Tee::snp, 47);
  EXPECT_EQ(plan.cpus[0].cr3 >> 47 & 1, 1u);
  EXPECT_EQ((*plan.items[4].bytes)[5] & 0x80, 0x80);  // bit 47 of the first entry
  EXPECT_EQ(hardware_check::hardware_check_plan(Tee::tdx, 0).ram[1].base.value, 0xfffff000u);
}

}  // namespace
}  // namespace bartizan::launches
