// Options of a machine that are refused.
#include "vmm/machine/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "unit/guest_abi/sample.hpp"

namespace bartizan::vmm::machine {
namespace {

using ::testing::HasSubstr;

TEST(Options, EachRefusalNamesTheOptionAndTheValue) {
  auto refusal = [](auto change) {
    MachineOptions options;
    change(options);
    auto checked = check_options(options);
    return checked.ok() ? std::string("ok") : checked.error().describe();
  };
  EXPECT_EQ(refusal([](MachineOptions&) {}), "ok");
  EXPECT_EQ(refusal([](MachineOptions& o) { o.vcpus = o.ram_mib = 0; }), "ok") << "the image's";
  EXPECT_THAT(refusal([](MachineOptions& o) { o.vcpus = 5000; }), HasSubstr("vcpus 5000"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.broker_url = "here:8443"; }),
              HasSubstr("broker_url: "));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.ram_mib = 1; }), HasSubstr("ram_mib 1"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.ram_mib = 0xffffffff; }),
              HasSubstr("ram_mib 4294967295"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.publish = {{"127.0.0.1", 80, 0}};
              }),
              HasSubstr("guest port 0"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.network = NetworkMode::none;
                o.publish = {{"127.0.0.1", 80, 80}};
              }),
              HasSubstr("no network"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.network = NetworkMode::none;
                o.publish_auto = "127.0.0.1";
              }),
              HasSubstr("no network"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.publish_auto = "localhost"; }),
              HasSubstr("publish_auto \"localhost\""));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.network = NetworkMode::isolated;
                o.publish = {{"127.0.0.1", 53, 53, PortProtocol::udp}};
              }),
              HasSubstr("127.0.0.1:53/udp"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.allow = {"loopback", "host"};
              }),
              HasSubstr("allow \"host\""));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.vsock = {{1002, "/tmp/x", false}};
              }),
              HasSubstr("1002"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.vsock = {{1006, "/tmp/x", false}};
              }),
              HasSubstr("1006"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.vsock = {{5, "", true}}; }), HasSubstr("no path"));
}

TEST(Options, NetworkIsTheLeastOfHostsAndImages) {
  guest_abi::Manifest manifest = sample_manifest();
  MachineOptions options;
  manifest.network = false;
  EXPECT_EQ(decide_network(options, manifest, "")->mode, NetworkMode::none);
  options.publish_auto = "127.0.0.1";
  EXPECT_EQ(decide_network(options, manifest, "").error().code, ErrorCode::invalid_argument);
  manifest.network = true;
  EXPECT_EQ(decide_network(options, manifest, "")->mode, NetworkMode::outbound);
  options.network = NetworkMode::isolated;
  EXPECT_EQ(decide_network(options, manifest, "")->mode, NetworkMode::isolated);
  options = {};
  options.network = NetworkMode::none;
  EXPECT_THAT(decide_network(options, manifest, "").error().message,
              HasSubstr("network none: the image's manifest asks for a network"));
}

TEST(Options, ABrokerOutOfReachIsNoLaunch) {
  guest_abi::Manifest manifest = sample_manifest();
  manifest.network = true;
  auto decide = [&](const std::string& url, std::vector<std::string> allow, NetworkMode mode = {}) {
    MachineOptions options;
    options.allow = std::move(allow);
    options.network = mode;
    auto decided = decide_network(options, manifest, url);
    return decided.ok() ? std::string("ok") : decided.error().describe();
  };
  EXPECT_EQ(decide("https://broker.example:8443", {}), "ok");
  EXPECT_THAT(decide("https://10.0.2.2:8443", {}), HasSubstr("`allow` loopback:8443"));
  EXPECT_THAT(decide("https://10.0.2.2", {"loopback:8443"}), HasSubstr("`allow` loopback:443"));
  EXPECT_THAT(decide("https://[fd62:7a6e::2]:8443", {"metadata"}), HasSubstr("loopback:8443"));
  EXPECT_EQ(decide("https://10.0.2.2:8443", {"loopback:8443"}), "ok");
  EXPECT_EQ(decide("https://10.0.2.2:8443", {"loopback"}), "ok");
  EXPECT_THAT(decide("https://broker.example", {}, NetworkMode::isolated),
              HasSubstr("network isolated: the guest could not ask its broker"));
  for (const char* itself : {"127.0.0.1", "127.8.9.1", "LOCALHOST", "a.localhost", "[::1]",
                             "0.0.0.0", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:0]"}) {
    EXPECT_THAT(decide(fmt::format("https://{}:8443", itself), {"loopback"}),
                HasSubstr("that is the guest itself"))
        << itself;
  }
  for (const char* nowhere : {"10.0.2.15", "10.0.2.77", "224.0.0.1", "255.255.255.255", "[ff02::1]",
                              "[fd62:7a6e::15]", "[::2]", "[::ffff:10.0.2.15]"}) {
    EXPECT_THAT(decide(fmt::format("https://{}", nowhere), {"loopback", "metadata"}),
                HasSubstr("leads nowhere"))
        << nowhere;
  }
  for (const char* reserved : {"169.254.169.254", "169.254.1.1", "[fe80::1]", "[fd00:ec2::254]"}) {
    const std::string url = fmt::format("https://{}", reserved);
    EXPECT_THAT(decide(url, {"loopback", "metadata:80"}), HasSubstr("`allow` metadata:443")) << url;
    EXPECT_EQ(decide(url, {"metadata:443"}), "ok") << url;
  }
  for (const char* odd : {"0x7f000001", "2130706433", "127.1", "0177.0.0.1", "localhost."})
    EXPECT_THAT(decide(fmt::format("https://{}", odd), {"loopback"}), HasSubstr(odd));
}

TEST(Options, TheBrokersAddressIsTheImagesUnlessItSaysOtherwise) {
  guest_abi::Manifest manifest = sample_manifest();
  const std::string own = manifest.broker->url;
  MachineOptions options;
  EXPECT_EQ(decide_broker(options, manifest).value()->url, own);
  options.broker_url = "https://here:8443/";
  EXPECT_EQ(decide_broker(options, manifest).error().code, ErrorCode::permission_denied);
  manifest.host.broker = true;
  const auto moved = decide_broker(options, manifest).value();
  EXPECT_EQ(moved->url, "https://here:8443");
  EXPECT_EQ(moved->ca_pem, manifest.broker->ca_pem);
  EXPECT_EQ(moved->resource, manifest.broker->resource);
  manifest.broker.reset();
  EXPECT_THAT(decide_broker(options, manifest).error().message, HasSubstr("names no broker"));
}

TEST(Options, AnImagesSizeIsJudgedLikeACallers) {
  EXPECT_TRUE(check_size("the image's ", 0, 0).ok());
  EXPECT_TRUE(check_size("the image's ", 254, 128).ok());
  EXPECT_THAT(check_size("the image's ", 255, 128).error().message,
              HasSubstr("the image's vcpus 255: must be 1 to 254"));
  EXPECT_THAT(check_size("the image's ", 1, 1).error().message,
              HasSubstr("the image's ram_mib 1: must be 128 to 262144"));
}

TEST(Options, TheHostsLimitsStandAboveTheImage) {
  guest_abi::Manifest manifest = sample_manifest();
  manifest.scratch_bytes = 64 << 20;
  MachineOptions options;
  EXPECT_TRUE(check_limits(options, 254, 1 << 18, manifest).ok()) << "no limits";
  options.max_vcpus = 4;
  options.max_ram_mib = 1024;
  options.max_scratch_bytes = 64 << 20;
  EXPECT_TRUE(check_limits(options, 4, 1024, manifest).ok());
  EXPECT_EQ(check_limits(options, 5, 1024, manifest).error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(check_limits(options, 5, 1024, manifest).error().message,
              HasSubstr("vcpus 5: this host gives at most 4 (max_vcpus)"));
  EXPECT_THAT(check_limits(options, 1, 1025, manifest).error().message, HasSubstr("ram_mib 1025"));
  options.max_scratch_bytes -= 1;
  EXPECT_THAT(check_limits(options, 1, 512, manifest).error().message, HasSubstr("67108864"));
}

// It would be lost: it is refused and left as it is.
TEST(Options, AFileThatIsNoScratchDiskIsNotMadeOne) {
  guest_abi::Manifest manifest = sample_manifest();
  manifest.scratch_bytes = 64 << 20;
  char name[] = "/tmp/bartizan-scratch-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  Unfinished folder{name};
  MachineOptions options;
  options.scratch_disk = folder.path() / "precious";
  write_file(options.scratch_disk, as_bytes("a key")).value();
  auto refused = open_scratch(options, manifest);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("a file of 5 bytes"));
  EXPECT_EQ(std::filesystem::file_size(options.scratch_disk), 5u);
  options.scratch_disk = folder.path() / "new";
  EXPECT_TRUE(open_scratch(options, manifest).ok());
  EXPECT_TRUE(open_scratch(options, manifest).ok()) << "the same again";
}

// What an embedder used to get: machine "beta": machine "beta": …
TEST(Options, EachRefusalNamesTheMachineOnce) {
  auto context = Context::create({.name = "beta"}).value();
  const Error refusals[] = {context.start().error(),
                            context.wait().error(),
                            context.start_enter().error(),
                            context.attach_image("/nonexistent").error(),
                            context.attach_luks_disk({}).error(),
                            context.count_in_memory(MemoryView::raw, {}).error()};
  for (const Error& error : refusals) {
    EXPECT_EQ(error.message.find("machine \"beta\": "), 0u) << error.message;
    EXPECT_EQ(error.message.find("beta", 10), std::string::npos) << error.message;
  }
}

TEST(Options, DescriptorsAreDuplicatedOrNamed) {
  EXPECT_FALSE(duplicate(-1, "stdin_fd")->valid());
  auto copy = duplicate(0, "stdin_fd");
  ASSERT_TRUE(copy.ok());
  EXPECT_NE(copy->get(), 0);
  EXPECT_EQ(::fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
  auto closed = duplicate(9999, "stdout_fd");
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(closed.error().message, HasSubstr("stdout_fd: descriptor 9999"));
}

// The workload's output would be lost without a word.
TEST(Options, AStreamGoesTheRightWay) {
  auto refused = [](const char* path, int flags, int access) {
    UniqueFd fd = open_file(path, flags).value();
    auto copy = duplicate_stream(fd.get(), access, "stdout_fd");
    return copy.ok() ? std::string("ok") : copy.error().describe();
  };
  EXPECT_EQ(refused("/dev/null", O_WRONLY, O_WRONLY), "ok");
  EXPECT_EQ(refused("/dev/null", O_RDWR, O_WRONLY), "ok");
  EXPECT_EQ(refused("/dev/null", O_RDWR, O_RDONLY), "ok");
  EXPECT_THAT(refused("/dev/null", O_RDONLY, O_WRONLY), HasSubstr("cannot be written"));
  EXPECT_THAT(refused("/dev/null", O_WRONLY, O_RDONLY), HasSubstr("cannot be read"));
  EXPECT_THAT(refused("/dev/null", O_PATH, O_RDONLY), HasSubstr("cannot be read"));
  EXPECT_THAT(refused("/", O_RDONLY, O_RDONLY), HasSubstr("cannot be read"));
  EXPECT_EQ(duplicate_stream(-5, O_RDONLY, "stdin_fd").error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(duplicate_stream(-1, O_RDONLY, "stdin_fd")->valid());
}

}  // namespace
}  // namespace bartizan::vmm::machine
