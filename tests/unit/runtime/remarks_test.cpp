// What is handed on although it has no effect, or another one: a line tells of it.
#include <gtest/gtest.h>

#include "runtime/kernel_settings.hpp"
#include "runtime/stock_annotations.hpp"
#include "unit/runtime/sample.hpp"

namespace bartizan::runtime {
namespace {

std::vector<std::string> remarks_with(const char* patch) {
  return kernel_remarks(sample_config().patch(Json::parse(patch)));
}

TEST(KernelRemarks, WhatEnginesSetByThemselvesHasNone) {
  EXPECT_TRUE(remarks_with("[]").empty());
  EXPECT_TRUE(remarks_with(R"([{"op":"add","path":"/linux/sysctl","value":
      {"net.ipv4.ping_group_range":"0 0","net.ipv4.ip_unprivileged_port_start":"0"}}])")
                  .empty());
  EXPECT_TRUE(remarks_with(R"([{"op":"add","path":"/linux/sysctl","value":[1]}])").empty());
  EXPECT_TRUE(kernel_remarks(Json()).empty());
}

TEST(KernelRemarks, OthersAreNamed) {
  const auto remarks = remarks_with(R"([
      {"op":"add","path":"/linux/sysctl","value":{"net.core.somaxconn":"64"}},
      {"op":"add","path":"/process/rlimits/-","value":{"type":"RLIMIT_FSIZE","hard":1,"soft":1}}])");
  ASSERT_EQ(remarks.size(), 2u);
  EXPECT_TRUE(remarks[0].starts_with("sysctl \"net.core.somaxconn\": set for the container's"));
  EXPECT_TRUE(remarks[1].starts_with("limit \"RLIMIT_FSIZE\": holds for the VM's process"));
}

// podman hands over the annotations of an image.
TEST(StockAnnotations, AreNotHandedOn) {
  Json config = sample_config();
  config["annotations"].update({{"run.oci.handler", "wasm"},
                                {"run.oci.hooks.stdout", "/x"},
                                {"run.oci.keep_original_groups", "1"},
                                {"module.wasm.image/variant", "compat"},
                                {"org.systemd.property.ExecStopPost", "x"},
                                {"run.oci.mount_context_type", "rootcontext"},
                                {"org.systemd.property.CollectMode", "'inactive-or-failed'"}});
  EXPECT_EQ(annotation_remarks(config).size(), 5u);
  EXPECT_TRUE(
      annotation_remarks(config)[0].starts_with("annotation \"module.wasm.image/variant\""));
  const Json annotations = rewrite_config(config, sample_launch()).value()["annotations"];
  std::vector<std::string> names;
  for (const auto& [name, value] : annotations.items()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "io.container.manager", "org.bartizan.source.digest",
                       "org.bartizan.workload.digest", "org.bartizan.workload.id",
                       "org.systemd.property.CollectMode", "run.oci.mount_context_type"}));
  EXPECT_TRUE(annotation_remarks(sample_config()).empty());
  EXPECT_TRUE(annotation_remarks(Json::parse(R"({"annotations":["run.oci.handler"]})")).empty());
}

// A rootless engine's user has /dev/kvm by a group: that one is ours, not the image's.
TEST(StockAnnotations, OursStay) {
  Launch launch = sample_launch();
  launch.keep_groups = true;
  const Json config = rewrite_config(sample_config(), launch).value();
  EXPECT_EQ(config["annotations"]["run.oci.keep_original_groups"], "1");
}

}  // namespace
}  // namespace bartizan::runtime
