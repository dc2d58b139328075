// The words beside a measurement that a broker refused.
#include "vmm/machine/launch_inputs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bartizan::vmm::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kRefusal =
    "6/10 broker: measurement differs [measurement] expected 3623ab2b, got 514bbaa4";

LaunchInputs inputs() {
  LaunchInputs inputs{{Tee::simulated, "/nonexistent", 1, 512, "extra", 0, 0}, 1, 256, {}};
  BundleInfo bundle;
  bundle.kernel_release = "6.1.0-test";
  bundle.command_line = "quiet";
  inputs.bundle = bundle_text(bundle, inputs.launch);
  return inputs;
}

TEST(LaunchInputs, WhatIsNotTheImagesIsNamed) {
  EXPECT_THAT(differences(inputs()), ElementsAre("ram_mib 512 (the image has 256)"));
  auto both = inputs();
  both.launch.vcpus = 4;
  EXPECT_THAT(differences(both), ElementsAre("vcpus 4 (the image has 1)", HasSubstr("ram_mib")));
  auto without_image = inputs();
  without_image.image_vcpus = without_image.image_ram_mib = 0;
  EXPECT_THAT(differences(without_image), IsEmpty());
}

TEST(LaunchInputs, ARefusedMeasurementNamesTheInputs) {
  ExitReason reason{ExitKind::guest_failure, 6, "broker", kRefusal};
  explain_refused_measurement(inputs(), reason);
  EXPECT_THAT(reason.describe(), HasSubstr(kRefusal));
  EXPECT_THAT(reason.detail, HasSubstr("this launch: TEE simulated, vcpus 1, ram_mib 512, "));
  EXPECT_THAT(reason.detail, HasSubstr("differs: ram_mib 512 (the image has 256)"));
  EXPECT_THAT(reason.detail, HasSubstr("kernel 6.1.0-test, command line \"quiet extra\""));
  EXPECT_EQ(reason.detail.find('\n'), std::string::npos);
}

TEST(LaunchInputs, WithTheImagesSizeTheBundleIsLeft) {
  auto same = inputs();
  same.launch.ram_mib = 256;
  ExitReason reason{ExitKind::guest_failure, 6, "broker", kRefusal};
  explain_refused_measurement(same, reason);
  EXPECT_THAT(reason.detail, Not(HasSubstr("differs: ")));
  EXPECT_THAT(reason.detail, HasSubstr("with the bundle that was registered"));
}

TEST(LaunchInputs, OtherEndsKeepTheirWords) {
  const ExitReason ends[] = {{ExitKind::exit_code, 7, "", ""},
                             {ExitKind::guest_failure, 6, "broker", "no route"},
                             {ExitKind::crash, 0, "pid1", "x [measurement]"}};
  for (const ExitReason& end : ends) {
    ExitReason reason = end;
    explain_refused_measurement(inputs(), reason);
    EXPECT_EQ(reason.detail, end.detail);
  }
}

}  // namespace
}  // namespace bartizan::vmm::machine
