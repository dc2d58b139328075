#include "runtime/refusals.hpp"

#include <gtest/gtest.h>

#include "unit/runtime/sample.hpp"

namespace bartizan::runtime {
namespace {

constexpr uint32_t kRamMib = 512;

struct Refusal {
  const char* name;
  const char* patch;  // RFC 6902
  ErrorCode code;
  const char* line;  // the error's beginning
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, SaysWhatAndWhatToDo) {
  const Json config = sample_config().patch(Json::parse(GetParam().patch));
  auto checked = check_container(config, kRamMib);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, GetParam().code);
  EXPECT_TRUE(checked.error().message.starts_with(GetParam().line)) << checked.error().message;
  EXPECT_EQ(checked.error().message.find('\n'), std::string::npos);
}

constexpr auto kInvalid = ErrorCode::invalid_argument;

INSTANTIATE_TEST_SUITE_P(
    All, Refused,
    testing::Values(
        Refusal{"Command",
                R"([{"op":"replace","path":"/process/args","value":["/bin/sh","-c","--key=1"]}])",
                kInvalid, "command \"/bin/sh\" of 3 words: a confidential image runs the command"},
        Refusal{"Arguments", R"([{"op":"add","path":"/process/args/-","value":"more"}])", kInvalid,
                "command \"/entrypoint\" of 2 words: "},
        Refusal{"NoCommand", R"([{"op":"replace","path":"/process/args","value":{}}])", kInvalid,
                "command \"\" of 0 words: "},
        Refusal{"Environment", R"([{"op":"add","path":"/process/env/-","value":"KEY=secret"}])",
                kInvalid, "environment variable \"KEY\": the environment"},
        Refusal{"ServiceLink",
                R"([{"op":"add","path":"/process/env/-","value":"WEB_PORT=tcp://10.96.0.9:80"}])",
                kInvalid, "environment variable \"WEB_PORT\": "},
        Refusal{"LoaderVariable",
                R"([{"op":"add","path":"/process/env/-","value":"LD_PRELOAD=/evil.so"}])", kInvalid,
                "environment variable \"LD_PRELOAD\": "},
        Refusal{"User", R"([{"op":"replace","path":"/process/user/uid","value":1000}])", kInvalid,
                "user 1000:0, or a group: "},
        Refusal{"Group", R"([{"op":"add","path":"/process/user/additionalGids","value":[0,27]}])",
                kInvalid, "user 0:0, or a group: "},
        Refusal{"Folder", R"([{"op":"replace","path":"/process/cwd","value":"/srv"}])", kInvalid,
                "working folder \"/srv\": "},
        Refusal{"Volume",
                R"([{"op":"add","path":"/mounts/-",
                     "value":{"destination":"/data","type":"bind","source":"/srv"}}])",
                kInvalid, "mount of \"/srv\" at \"/data\": nothing of the host"},
        Refusal{"VolumeAtTmp",
                R"([{"op":"add","path":"/mounts/-",
                     "value":{"destination":"/tmp","type":"bind","source":"/srv"}}])",
                kInvalid, "mount of \"/srv\" at \"/tmp\": "},
        Refusal{"VolumeOverTheManifest",
                R"([{"op":"add","path":"/mounts/-",
                     "value":{"destination":"/bartizan.json","type":"bind","source":"/srv/x"}}])",
                kInvalid, "mount of \"/srv/x\" at \"/bartizan.json\": "},
        Refusal{"VolumeAtTheDevices",
                R"([{"op":"add","path":"/mounts/-",
                     "value":{"destination":"/dev","type":"bind","source":"/dev"}}])",
                kInvalid, "mount of \"/dev\" at \"/dev\": "},
        Refusal{"VolumeAtTheProcesses",
                R"([{"op":"add","path":"/mounts/-",
                     "value":{"destination":"/proc","source":"/srv","options":["rbind"]}}])",
                kInvalid, "mount of \"/srv\" at \"/proc\": "},
        Refusal{"VolumeBesideTheSecrets",
                R"([{"op":"add","path":"/mounts/-",
                     "value":{"destination":"/run/secrets/../x","type":"bind","source":"/srv"}}])",
                kInvalid, "mount of \"/srv\" at \"/run/secrets/../x\": "},
        Refusal{"OthersProcesses",
                R"([{"op":"add","path":"/linux/namespaces/0/path","value":"/proc/1/ns/pid"}])",
                kInvalid, "PID namespace of the host or of others: "},
        Refusal{"Device",
                R"([{"op":"add","path":"/linux/devices",
                     "value":[{"path":"/dev/sda","type":"b","major":8,"minor":0}]}])",
                kInvalid, "device \"/dev/sda\": "},
        Refusal{"AllDevices",
                R"([{"op":"replace","path":"/linux/resources/devices",
                     "value":[{"allow":true,"access":"rwm"}]}])",
                kInvalid, "privileged container: "},
        Refusal{"AllCapabilities",
                R"([{"op":"replace","path":"/process/capabilities/bounding",
                     "value":["CAP_SYS_RAWIO","CAP_SYS_ADMIN","CAP_SYS_MODULE"]}])",
                kInvalid, "privileged container: "},
        Refusal{"HostsProcesses", R"([{"op":"remove","path":"/linux/namespaces/0"}])", kInvalid,
                "PID namespace of the host or of others: "},
        Refusal{"Memory",
                R"([{"op":"add","path":"/linux/resources/memory","value":{"limit":603979775}}])",
                ErrorCode::resource_exhausted,
                "memory limit of 575 MiB: the image's VM has 512 MiB and needs 64 MiB"},
        Refusal{"MemoryOfTheFile",
                R"([{"op":"add","path":"/linux/resources/unified",
                     "value":{"memory.max":"603979775"}}])",
                ErrorCode::resource_exhausted, "memory limit of 575 MiB: "},
        Refusal{"Sysctl", R"([{"op":"add","path":"/linux/sysctl","value":{"kernel.shmmax":"1"}}])",
                kInvalid, "sysctl \"kernel.shmmax\": the kernel of a confidential VM is its own"},
        Refusal{"Umask", R"([{"op":"replace","path":"/process/user/umask","value":63}])", kInvalid,
                "umask 0077: a confidential workload starts with 0022"},
        Refusal{"Personality",
                R"([{"op":"add","path":"/linux/personality","value":{"domain":"LINUX32"}}])",
                kInvalid, "personality \"LINUX32\": "},
        Refusal{"NoProcess", R"([{"op":"remove","path":"/process"}])", ErrorCode::corrupt,
                "config.json: process is missing"},
        Refusal{"EnvironmentOfNumbers", R"([{"op":"replace","path":"/process/env","value":[1]}])",
                ErrorCode::corrupt, "config.json: env: not texts"}),
    [](const auto& each) { return std::string(each.param.name); });

class Accepted : public testing::TestWithParam<const char*> {};

TEST_P(Accepted, EnginesOwn) {
  const Json config = sample_config().patch(Json::parse(GetParam()));
  auto checked = check_container(config, kRamMib);
  EXPECT_TRUE(checked.ok()) << checked.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    All, Accepted,
    testing::Values(
        "[]", R"([{"op":"add","path":"/process/env/-","value":"https_proxy=http://proxy"}])",
        R"([{"op":"add","path":"/process/env/-","value":"HOME=/root"}])",
        R"([{"op":"add","path":"/process/env/-","value":"KUBERNETES_SERVICE_HOST=10.96.0.1"}])",
        R"([{"op":"add","path":"/mounts/-","value":{"type":"bind","source":"/var/lib/kubelet/x",
             "destination":"/var/run/secrets/kubernetes.io/serviceaccount"}}])",
        R"([{"op":"add","path":"/mounts/-","value":{"destination":"/tmp","type":"tmpfs"}}])",
        R"([{"op":"add","path":"/mounts/-",
             "value":{"destination":"/run/secrets/token","type":"bind","source":"/s"}}])",
        R"([{"op":"add","path":"/mounts/-",
             "value":{"destination":"/etc/resolv.conf","type":"bind","source":"/r"}}])",
        R"([{"op":"add","path":"/linux/devices",
             "value":[{"path":"/dev/kvm","type":"c","major":10,"minor":232}]}])",
        R"([{"op":"add","path":"/linux/resources/devices/-",
             "value":{"allow":true,"type":"c","major":10,"minor":232,"access":"rwm"}}])",
        R"([{"op":"add","path":"/linux/resources/memory","value":{"limit":603979776}}])",
        R"([{"op":"add","path":"/linux/resources/memory","value":{"limit":-1}}])",
        R"([{"op":"add","path":"/linux/resources/unified","value":{"memory.max":"max"}}])",
        R"([{"op":"add","path":"/linux/resources/unified","value":{"memory.max":"603979776"}}])",
        R"([{"op":"add","path":"/linux/sysctl",
             "value":{"net.ipv4.ping_group_range":"0 0","net.core.somaxconn":"64"}}])",
        R"([{"op":"remove","path":"/process/user/umask"}])",
        R"([{"op":"add","path":"/linux/personality","value":{"domain":"LINUX"}}])"));

// Other words of a command can be secrets.
TEST(RefusedCommand, ShowsItsFirstWordAlone) {
  const Json config = sample_config().patch(
      Json::parse(R"([{"op":"replace","path":"/process/args","value":["/x","--key=1"]}])"));
  EXPECT_EQ(check_container(config, kRamMib).error().message.find("--key"), std::string::npos);
}

}  // namespace
}  // namespace bartizan::runtime
