// Which TEEs a kernel can be a guest of, which kernel is taken, and who is refused by name.
#include "plan/bundle/guest_tees.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "plan/bundle/create/kernel.hpp"
#include "plan/measure/launch_planner.hpp"
#include "unit/plan/bundle/sample.hpp"

namespace bartizan::plan::bundle {
namespace {

using Tees = std::vector<Tee>;

Tees tees(std::string config, bool modules = true) {
  return tees_of_kernel(config, [=](std::string_view) { return modules; });
}

std::string without(std::string_view option) {
  std::string config(kSampleConfig);
  size_t at = config.find("\n" + std::string(option) + "=");
  return config.erase(at + 1, config.find('\n', at + 1) - at);
}

TEST(GuestTees, EachNeedsItsOptions) {
  const Tees all = {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx};
  EXPECT_EQ(tees(std::string(kSampleConfig)), all);
  EXPECT_EQ(tees(without("CONFIG_SEV_GUEST")),
            (Tees{Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::tdx}));
  EXPECT_EQ(tees(without("CONFIG_AMD_MEM_ENCRYPT")), (Tees{Tee::none, Tee::tdx}));
  EXPECT_EQ(tees(without("CONFIG_KVM_GUEST")),
            (Tees{Tee::none, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}));
  const Tees no_tdx = {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp};
  EXPECT_EQ(tees(without("CONFIG_INTEL_TDX_GUEST")), no_tdx);
  EXPECT_EQ(tees(without("CONFIG_TDX_GUEST_DRIVER")), no_tdx);
  EXPECT_EQ(tees(without("CONFIG_SECURITY_LOCKDOWN_LSM")), Tees{Tee::none});
  EXPECT_EQ(tees(""), Tees{Tee::none});
}

TEST(GuestTees, ADriverIsBuiltInOrAmongTheModules) {
  EXPECT_EQ(tees(std::string(kSampleConfig), false),
            (Tees{Tee::none, Tee::simulated, Tee::sev, Tee::sev_es}));
  const std::string rest = without("CONFIG_SEV_GUEST");
  EXPECT_EQ(tees(rest + "CONFIG_SEV_GUEST=y\n", false).back(), Tee::snp);
  for (const char* line :
       {"# CONFIG_SEV_GUEST is not set\n", "CONFIG_SEV_GUEST=n\n", "CONFIG_SEV_GUEST_MORE=y\n",
        "XCONFIG_SEV_GUEST=y\n", "CONFIG_SEV_GUEST=yes\n", "CONFIG_SEV_GUEST="}) {
    EXPECT_EQ(std::ranges::count(tees(rest + line), Tee::snp), 0) << line;
  }
  EXPECT_EQ(tees(without("CONFIG_AMD_MEM_ENCRYPT") + "CONFIG_AMD_MEM_ENCRYPT=m\n"),
            (Tees{Tee::none, Tee::tdx}))
      << "no module can be that";
}

TEST(GuestTees, AreInTheBundleAndALaunchInAnotherIsRefusedByName) {
  Sample sample;
  write_file(sample.options.modules / "config", as_bytes(without("CONFIG_SEV_GUEST"))).value();
  auto made = create_bundle(sample.options).value();
  EXPECT_EQ(made.tees, (Tees{Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::tdx}));
  EXPECT_EQ(read_bundle(made.path).value().tees, made.tees);
  for (Tee tee : {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    auto plan = measure::make_plan({.tee = tee, .bundle = made.path}, false);
    EXPECT_EQ(plan.ok(), tee != Tee::snp) << to_string(tee);
    if (plan.ok()) continue;
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
    for (const char* part : {"6.1.0-test", "none, simulated, sev, sev-es, tdx, not of snp",
                             "CONFIG_AMD_MEM_ENCRYPT, CONFIG_SEV_GUEST", "bundle create --kernel"})
      EXPECT_NE(plan.error().message.find(part), std::string::npos) << plan.error().message;
  }
}

TEST(GuestTees, AKernelWithoutConfigurationIsNoBundle) {
  Sample sample;
  std::filesystem::remove(sample.options.modules / "config");
  auto error = create_bundle(sample.options).error();
  EXPECT_EQ(error.code, ErrorCode::not_found);
  const auto beside = sample.folder.path() / "config-6.1.0-test";
  EXPECT_NE(error.message.find(beside.string()), std::string::npos) << error.message;
  write_file(beside, as_bytes(without("CONFIG_INTEL_TDX_GUEST"))).value();
  EXPECT_EQ(create_bundle(sample.options).value().tees.back(), Tee::snp);
}

// A folder like "/", with kernels, their configurations and their modules' indexes.
struct Root {
  Unfinished folder{make_scratch_folder()};
  void add(const std::string& release, const std::string& config) {
    const auto modules = folder.path() / "lib/modules" / release;
    std::filesystem::create_directories(folder.path() / "boot");
    std::filesystem::create_directories(modules);
    write_file(folder.path() / "boot" / ("vmlinuz-" + release), {}).value();
    if (!config.empty())
      write_file(folder.path() / "boot" / ("config-" + release), as_bytes(config)).value();
    write_file(modules / "modules.dep", as_bytes("k/sev-guest.ko:\nk/tdx-guest.ko.xz:\n")).value();
    write_file(modules / "modules.builtin", {}).value();
  }
  std::string best() {
    const std::filesystem::path roots[] = {folder.path() / "absent", folder.path()};
    return create::best_kernel(roots).filename();
  }
};

TEST(DefaultKernel, IsTheGuestOfMostTeesAndThenTheNewest) {
  Root root;
  EXPECT_EQ(root.best(), "");
  root.add("7.0-cloud-amd64", "");
  EXPECT_EQ(root.best(), "vmlinuz-7.0-cloud-amd64") << "its configuration is missed later, by name";
  root.add("6.1.0-9-cloud-amd64", without("CONFIG_SEV_GUEST"));
  EXPECT_EQ(root.best(), "vmlinuz-6.1.0-9-cloud-amd64");
  root.add("6.1.0-10-cloud-amd64", without("CONFIG_SEV_GUEST"));
  EXPECT_EQ(root.best(), "vmlinuz-6.1.0-10-cloud-amd64");
  root.add("6.1.0-10-amd64", std::string(kSampleConfig));
  EXPECT_EQ(root.best(), "vmlinuz-6.1.0-10-amd64");
  root.add("6.0-cloud-amd64", std::string(kSampleConfig));
  EXPECT_EQ(root.best(), "vmlinuz-6.0-cloud-amd64") << "as good, and smaller";
}

}  // namespace
}  // namespace bartizan::plan::bundle
