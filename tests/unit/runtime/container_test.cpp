#include "runtime/container.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "image/parts/krun.hpp"
#include "plan/bundle/bundle_json.hpp"
#include "runtime/root_files.hpp"
#include "unit/runtime/sample.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;

class ContainerTest : public testing::Test {
 protected:
  ContainerTest() {
    fs::create_directories(root());
    command_.command = "create";
    command_.bundle = bundle_.path();
    write("config.json", sample_config().dump());
  }
  fs::path root() const { return bundle_.path() / "rootfs"; }
  void write(const fs::path& name, std::string_view text) {
    ASSERT_TRUE(write_file(bundle_.path() / name, as_bytes(text)).ok());
  }
  std::string read(const fs::path& name) {
    auto bytes = read_file(bundle_.path() / name, kMaxConfigBytes);
    return bytes.ok() ? std::string(as_text(*bytes)) : "";
  }
  void make_confidential() {
    auto manifest = sample_manifest().serialize().value();
    write("rootfs/bartizan.json", as_text(manifest));
    write("rootfs/krun-sev.json", image::parts::krun_json({"web", "", 1, 512}).value());
  }
  // Nothing is written if a container is refused.
  Error refusal(const Settings& settings = {}) {
    const std::string before = read("config.json");
    auto prepared = prepare_container(command_, settings);
    EXPECT_FALSE(prepared.ok());
    EXPECT_EQ(read("config.json"), before);
    EXPECT_FALSE(fs::exists(bundle_.path() / "config.json.original"));
    return prepared.ok() ? Error{} : prepared.error();
  }

  Unfinished bundle_{std::string(testing::TempDir()) + "/runtime-container-test"};
  RuntimeCommand command_;
};

TEST_F(ContainerTest, OrdinaryImageStaysAsItIs) {
  Json config = sample_config();
  config["process"]["args"] = {"/bin/sh"};
  write("config.json", config.dump(3));
  ASSERT_TRUE(prepare_container(command_, Settings{}).ok());
  EXPECT_EQ(read("config.json"), config.dump(3));
  EXPECT_FALSE(fs::exists(bundle_.path() / "config.json.original"));
}

TEST_F(ContainerTest, ConfidentialImageIsJudged) {
  make_confidential();
  Json config = sample_config();
  config["process"]["cwd"] = "/srv";
  write("config.json", config.dump());
  EXPECT_EQ(refusal().message.substr(0, 22), "working folder \"/srv\":");
}

TEST_F(ContainerTest, TeeIsTheImages) {
  make_confidential();
  for (Tee tee : {Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    image::parts::KrunConfig config{"web", "", 1, 512};
    ASSERT_TRUE(image::parts::set_tee(config, tee, "").ok());
    write("rootfs/krun-sev.json", image::parts::krun_json(config).value());
    auto root = RootFiles::open(bundle_.path() / "rootfs").value();
    EXPECT_EQ(read_image_facts(root).value()->tee, tee) << to_string(tee);
  }
}

// The manifest names a broker: a key of the host's is not asked for, and no machine without a TEE.
TEST_F(ContainerTest, WhatTheImageDemandsIsNotLowered) {
  make_confidential();
  Json config = sample_config();
  config["annotations"]["org.bartizan.tee"] = "none";
  write("config.json", config.dump());
  EXPECT_NE(refusal().message.find("gets its key by attestation"), std::string::npos);
  config["annotations"].erase("org.bartizan.tee");
  config["annotations"]["org.bartizan.broker"] = "https://elsewhere:8443";
  write("config.json", config.dump());
  EXPECT_NE(refusal().message.find("the image lets no host choose its broker's address"),
            std::string::npos);
}

TEST_F(ContainerTest, BadBundles) {
  write("config.json", "{");
  EXPECT_EQ(refusal().code, ErrorCode::corrupt);
  write("config.json", R"({"process":{}})");
  EXPECT_EQ(refusal().code, ErrorCode::corrupt);
  write("config.json", R"({"root":{"path":"nowhere"}})");
  EXPECT_EQ(refusal().code, ErrorCode::not_found);
  write("config.json", std::string(kMaxConfigBytes + 1, ' '));
  EXPECT_EQ(refusal().code, ErrorCode::resource_exhausted);
  command_.bundle = bundle_.path() / "nowhere";
  EXPECT_EQ(prepare_container(command_, Settings{}).error().code, ErrorCode::not_found);
}

// Rewritten by an earlier start, and the engine's own is gone.
TEST_F(ContainerTest, RewrittenWithoutOriginal) {
  make_confidential();
  write("config.json", rewrite_config(sample_config(), sample_launch()).value().dump());
  EXPECT_NE(refusal().message.find("rewritten before"), std::string::npos);
}

TEST_F(ContainerTest, ManifestThatIsNoneIsNoOrdinaryImage) {
  write("rootfs/bartizan.json", "{}");
  write("rootfs/krun-sev.json", "{}");
  EXPECT_EQ(refusal().code, ErrorCode::corrupt);
}

// Its author calls a file as we call ours: nothing in it could be started in a VM.
TEST_F(ContainerTest, OrdinaryImageWithAFileOfThatName) {
  Json config = sample_config();
  config["process"]["args"] = {"/bin/sh"};
  write("config.json", config.dump(3));
  for (const std::string& text : {std::string(R"({"name":"chess"})"), std::string(300'000, 'x')}) {
    write("rootfs/bartizan.json", text);
    ASSERT_TRUE(prepare_container(command_, Settings{}).ok());
    EXPECT_EQ(read("config.json"), config.dump(3));
  }
  fs::remove(root() / "bartizan.json");
  fs::create_directory(root() / "bartizan.json");
  EXPECT_TRUE(prepare_container(command_, Settings{}).ok());
  fs::remove(root() / "bartizan.json");
  write("rootfs/bartizan.json", "{}");
  write("rootfs/disk.img", "LUKS");  // an image of ours, damaged
  EXPECT_EQ(refusal().code, ErrorCode::corrupt);
}

// Of the container's annotations, with an image that gets its key from the host.
Json config_with(const Json& annotations) {
  Json config = sample_config();
  config["annotations"].update(annotations);
  return config;
}

TEST_F(ContainerTest, KeyFileIsAFile) {
  make_confidential();
  auto manifest = sample_manifest();
  manifest.broker.reset();
  manifest.host = {};
  write("rootfs/bartizan.json", as_text(manifest.serialize().value()));
  const fs::path fifo = bundle_.path() / "key";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  write(
      "config.json",
      config_with({{"org.bartizan.key-file", fifo.string()}, {"org.bartizan.tee", "none"}}).dump());
  const Settings settings{"", "", {}, {"tee", "key-file"}};
  EXPECT_EQ(refusal(settings).message, "key file " + fifo.string() + ": not a regular file");
}

// The launch would end where nobody looks.
TEST_F(ContainerTest, TeeThatTheBundleCannotDo) {
  make_confidential();
  fs::create_directory(bundle_.path() / "guest");
  BundleInfo info;
  info.kernel_release = "6.1.0";
  info.kernel_sha256 = info.initrd_sha256 = std::string(64, 'a');
  info.tees = {Tee::none, Tee::simulated};
  write("guest/bundle.json", plan::bundle::bundle_json(info).value());
  const Settings settings{"", bundle_.path() / "guest", {}, {"tee"}};
  write("config.json", config_with({{"org.bartizan.tee", "tdx"}}).dump());
  const Error error = refusal(settings);
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.message.find("its kernel 6.1.0 can be a guest of none, simulated, not of tdx"),
            std::string::npos)
      << error.message;
}

TEST_F(ContainerTest, MissingBundleHasACommandThatWorks) {
  make_confidential();
  const fs::path place = bundle_.path() / "share/bundle";
  const Settings settings{"", place, {}, {"tee"}};
  write("config.json", config_with({{"org.bartizan.tee", "simulated"}}).dump());
  const std::string make = "bartizan bundle create --output " + place.string();
  EXPECT_NE(
      refusal(settings).message.find("mkdir -p " + place.parent_path().string() + " && " + make),
      std::string::npos);
  fs::create_directory(place.parent_path());
  EXPECT_NE(refusal(settings).message.find("make it with `" + make), std::string::npos);
}

TEST_F(ContainerTest, HostileRootFolder) {
  make_confidential();
  const auto manifest = root() / "bartizan.json";
  fs::rename(manifest, bundle_.path() / "outside.json");
  fs::create_symlink("../outside.json", manifest);
  EXPECT_NE(refusal().message.find("not a regular file"), std::string::npos);
  fs::remove(manifest);
  ASSERT_EQ(::mkfifo(manifest.c_str(), 0644), 0);  // opening it does not wait
  EXPECT_NE(refusal().message.find("not a regular file"), std::string::npos);
  fs::remove(manifest);
  write("rootfs/bartizan.json", std::string(guest_abi::kMaxManifestBytes + 1, 'x'));
  EXPECT_EQ(refusal().code, ErrorCode::resource_exhausted);
}

TEST_F(ContainerTest, FactsOfTheImage) {
  make_confidential();
  auto facts = read_image_facts(RootFiles::open(root()).value()).value();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->ram_mib, 512u);
  EXPECT_EQ(facts->tee, Tee::snp);
  EXPECT_EQ(facts->manifest.workload_id, sample_manifest().workload_id);
  write("rootfs/disk.img", "LUKS");
  fs::remove(root() / "krun-sev.json");
  EXPECT_FALSE(read_image_facts(RootFiles::open(root()).value()).ok());
}

}  // namespace
}  // namespace bartizan::runtime
