// Options of a machine that are refused.
#include "vmm/machine/config.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_THAT(refusal([](MachineOptions& o) { o.ram_mib = 1; }), HasSubstr("ram_mib 1"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.ram_mib = 0xffffffff; }),
              HasSubstr("ram_mib 4294967295"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.publish = {{"127.0.0.1", 80, 0}};
              }),
              HasSubstr("guest port 0"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.network = false;
                o.publish = {{"127.0.0.1", 80, 80}};
              }),
              HasSubstr("no network"));
  EXPECT_THAT(refusal([](MachineOptions& o) {
                o.vsock = {{1002, "/tmp/x", false}};
              }),
              HasSubstr("1002"));
  EXPECT_THAT(refusal([](MachineOptions& o) { o.vsock = {{5, "", true}}; }), HasSubstr("no path"));
}

TEST(Options, AnImagesSizeIsJudgedLikeACallers) {
  EXPECT_TRUE(check_size("the image's ", 0, 0).ok());
  EXPECT_TRUE(check_size("the image's ", 254, 128).ok());
  EXPECT_THAT(check_size("the image's ", 255, 128).error().message,
              HasSubstr("the image's vcpus 255: must be 1 to 254"));
  EXPECT_THAT(check_size("the image's ", 1, 1).error().message,
              HasSubstr("the image's ram_mib 1: must be 128 to 262144"));
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

}  // namespace
}  // namespace bartizan::vmm::machine
