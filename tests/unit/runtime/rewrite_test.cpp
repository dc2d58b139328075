#include "runtime/rewrite.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/refusals.hpp"
#include "unit/runtime/sample.hpp"

namespace bartizan::runtime {
namespace {

using testing::Contains;
using testing::IsSupersetOf;
using testing::Not;

Json mount_at(const Json& config, std::string_view place) {
  for (const Json& mount : config["mounts"])
    if (mount["destination"] == place) return mount;
  return {};
}

TEST(RewriteConfig, ProcessIsTheLauncher) {
  const Json config = rewrite_config(sample_config(), sample_launch()).value();
  const std::vector<std::string> words = config["process"]["args"];
  EXPECT_EQ(words, (std::vector<std::string>{
                       "/run/.bartizan/ld.so", "--inhibit-cache", "--library-path",
                       "/run/.bartizan/lib", "--argv0", "bartizan", "/run/.bartizan/bartizan",
                       "run", "/", "--as-container", "--tee", "simulated", "--bundle",
                       "/run/.bartizan/bundle", "--max-memory", "512", "--publish", "[::]:auto"}));
  EXPECT_TRUE(is_rewritten(config));
  EXPECT_FALSE(is_rewritten(sample_config()));
}

TEST(RewriteConfig, FilesOfTheHostAreReadOnlyBelowMemory) {
  const Json config = rewrite_config(sample_config(), sample_launch()).value();
  EXPECT_EQ(mount_at(config, "/run/.bartizan")["type"], "tmpfs");
  EXPECT_EQ(mount_at(config, "/tmp")["type"], "tmpfs");
  for (const char* place :
       {"/run/.bartizan/lib/libc.so.6", "/run/.bartizan/bartizan", "/run/.bartizan/bundle"}) {
    const std::vector<std::string> options = mount_at(config, place)["options"];
    EXPECT_THAT(options, IsSupersetOf({"bind", "ro", "nosuid", "nodev"})) << place;
  }
  EXPECT_TRUE(mount_at(config, "/run/.bartizan/key").is_null());
}

TEST(RewriteConfig, MemoryOfTheEngineAtTmpStays) {
  Json config = sample_config();
  config["mounts"].push_back(
      {{"destination", "/tmp"}, {"type", "tmpfs"}, {"options", {"size=1m"}}});
  const Json rewritten = rewrite_config(config, sample_launch()).value();
  EXPECT_EQ(mount_at(rewritten, "/tmp")["options"], Json::parse(R"(["size=1m"])"));
}

TEST(RewriteConfig, DevicesComeWithTheirRules) {
  const Json config = rewrite_config(sample_config(), sample_launch()).value();
  ASSERT_EQ(config["linux"]["devices"].size(), 1u);
  EXPECT_EQ(config["linux"]["devices"][0]["path"], "/dev/kvm");
  EXPECT_EQ(config["linux"]["devices"][0]["minor"], 232);
  const Json& rules = config["linux"]["resources"]["devices"];
  ASSERT_EQ(rules.size(), 2u);  // behind the engine's, which denies all
  EXPECT_EQ(rules[1]["allow"], true);
  EXPECT_EQ(rules[1]["access"], "rw");
}

TEST(RewriteConfig, DeviceOfTheCallerIsNotThereTwice) {
  Json config = sample_config();
  config["linux"]["devices"] = {{{"path", "/dev/kvm"}, {"type", "c"}, {"major", 10}}};
  const Json rewritten = rewrite_config(config, sample_launch()).value();
  EXPECT_EQ(rewritten["linux"]["devices"].size(), 1u);
}

// What would make the launcher load code of the image.
TEST(RewriteConfig, FilesThatLoadCodeAreMasked) {
  const Json config = rewrite_config(sample_config(), sample_launch()).value();
  const std::vector<std::string> masked = config["linux"]["maskedPaths"];
  EXPECT_THAT(masked, IsSupersetOf({"/proc/kcore", "/etc/ld.so.preload", "/etc/nsswitch.conf"}));
}

TEST(RewriteConfig, AllElseStays) {
  const Json before = sample_config();
  Json after = rewrite_config(before, sample_launch()).value();
  for (const char* part : {"/process/args", "/process/env", "/mounts", "/linux/devices",
                           "/linux/resources/devices", "/linux/maskedPaths"}) {
    const Json::json_pointer place(part);
    if (before.contains(place))
      after[place] = before.at(place);
    else
      after["linux"].erase("devices");
  }
  EXPECT_EQ(after, before);
}

// The image's root folder has these at the places where libraries look by themselves.
TEST(RewriteConfig, LibrariesFindNoCodeOfTheImage) {
  const Json config = rewrite_config(sample_config(), sample_launch()).value();
  const std::vector<std::string> environment = config["process"]["env"];
  for (const char* name : {"OPENSSL_MODULES", "OPENSSL_ENGINES", "OPENSSL_CONF", "GCONV_PATH"})
    EXPECT_THAT(environment, Contains(std::string(name) + "=/run/.bartizan/none"));
}

TEST(RewriteConfig, WishesBecomeOptions) {
  Launch launch = sample_launch();
  launch.wishes.key_file = "/srv/disk.key";
  launch.wishes.allow = {"loopback:8443", "metadata"};
  launch.wishes.broker = "https://kbs:8443";
  launch.wishes.log_guest = true;
  launch.image.manifest.scratch_bytes = guest_abi::kMinScratchBytes;
  launch.keep_groups = true;
  const Json config = rewrite_config(sample_config(), launch).value();
  const std::vector<std::string> words = config["process"]["args"];
  EXPECT_THAT(words, IsSupersetOf({"--key-file", "/run/.bartizan/key", "--allow", "loopback:8443",
                                   "metadata", "--broker", "https://kbs:8443", "--log-guest",
                                   "--scratch"}));
  EXPECT_EQ(mount_at(config, "/run/.bartizan/key")["source"], "/srv/disk.key");
  EXPECT_EQ(config["annotations"]["run.oci.keep_original_groups"], "1");
}

TEST(RewriteConfig, NoNetworkAndNothingToWriteTo) {
  Launch launch = sample_launch();
  launch.image.manifest.network = false;
  launch.image.manifest.scratch_bytes = guest_abi::kMinScratchBytes;
  Json config = sample_config();
  config["root"]["readonly"] = true;
  const std::vector<std::string> words = rewrite_config(config, launch).value()["process"]["args"];
  EXPECT_THAT(words, Not(Contains("--publish")));
  EXPECT_THAT(words, Not(Contains("--scratch")));
}

TEST(RewriteConfig, WrongTypesAreNamed) {
  for (const char* part : {"/mounts", "/linux", "/linux/devices", "/linux/resources",
                           "/linux/maskedPaths", "/process"}) {
    Json config = sample_config();
    config[Json::json_pointer(part)] = "text";
    auto rewritten = rewrite_config(config, sample_launch());
    ASSERT_FALSE(rewritten.ok()) << part;
    EXPECT_EQ(rewritten.error().code, ErrorCode::corrupt);
  }
}

TEST(RootOf, IsRelativeToTheBundle) {
  EXPECT_EQ(root_of(sample_config(), "/run/bundle").value(), "/run/bundle/rootfs");
  EXPECT_EQ(root_of(Json::parse(R"({"root":{"path":"/merged"}})"), "/b").value(), "/merged");
  EXPECT_FALSE(root_of(Json::object(), "/b").ok());
}

TEST(UserNamespace, IsKnownByItsMap) {
  EXPECT_FALSE(is_mapped("         0          0 4294967295\n"));
  EXPECT_TRUE(is_mapped("         0       1000          1\n         1     100000      65536\n"));
}

}  // namespace
}  // namespace bartizan::runtime
