#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/hash.hpp"
#include "plan/bundle/bundle_json.hpp"
#include "plan/measure/launch_planner.hpp"
#include "plan/tee/snp/digest.hpp"
#include "unit/plan/bundle/sample.hpp"

namespace bartizan {
namespace {

using plan::measure::make_plan;

struct Measured : testing::Test {
  Sample sample;
  LaunchOptions options;
  void SetUp() override {
    options.bundle = create_bundle(sample.options).value().path;
    options.ram_mib = 256;
  }
  std::vector<uint8_t> digest(LaunchOptions changed) { return measure(changed).value().digest; }
};

TEST_F(Measured, PlanIsWhatTheGuestStartsFrom) {
  options.vcpus = 3;
  options.ram_mib = 4096;
  auto plan = plan::measure::make_plan(options, false).value();
  ASSERT_EQ(plan.cpus.size(), 3u);
  EXPECT_EQ(plan.cpus[0].rip, 0x50000u);
  EXPECT_EQ(plan.cpus[0].cs.attributes, 0xc9b);
  EXPECT_EQ(plan.cpus[0].cr0 & 0x80000001, 1u) << "protected mode, no paging";
  EXPECT_EQ(plan.cpus[2].rip, 0xfff0u);
  EXPECT_EQ(plan.c_bit, plan::tee::kSimulatedCBit);
  ASSERT_EQ(plan.staged.size(), 2u);
  EXPECT_EQ(plan.staged[0].what, "kernel");
  ASSERT_EQ(plan.ram.size(), 2u);
  EXPECT_EQ(plan.ram[0].size, 3328ull << 20);
  EXPECT_EQ(plan.ram[1].base.value, 4ull << 30);
  EXPECT_EQ(plan.ram[1].size, 768ull << 20);
  options.tee = Tee::none;
  EXPECT_EQ(plan::measure::make_plan(options, false).value().c_bit, 0);
}

TEST_F(Measured, CBitIsAChoiceWhereProcessorsDiffer) {
  for (auto tee : {Tee::sev, Tee::sev_es, Tee::snp}) {
    options.tee = tee;
    options.c_bit = 0;
    auto usual = digest(options);
    options.c_bit = 51;
    EXPECT_EQ(digest(options), usual);
    options.c_bit = 47;
    EXPECT_NE(digest(options), usual);
    for (uint32_t bad : {1u, 31u, 52u, 64u}) {
      options.c_bit = bad;
      EXPECT_EQ(measure(options).error().code, ErrorCode::invalid_argument) << bad;
    }
  }
  options.c_bit = 51;
  for (auto tee : {Tee::none, Tee::simulated, Tee::tdx}) {
    options.tee = tee;
    EXPECT_EQ(measure(options).error().code, ErrorCode::invalid_argument);
  }
  options.c_bit = 47;
  EXPECT_TRUE(measure(options).ok()) << "a TD's shared bit is there";
}

TEST_F(Measured, OnlyTdsHaveRuntimeRegisters) {
  EXPECT_TRUE(measure(options).value().rtmrs.empty());
  options.tee = Tee::tdx;
  auto one = measure(options).value();
  ASSERT_EQ(one.rtmrs.size(), 4u);
  EXPECT_EQ(one.rtmrs[3], std::vector<uint8_t>(48)) << "the guest's own";
  options.extra_command_line = "more";
  auto two = measure(options).value();
  EXPECT_EQ(two.rtmrs[1], one.rtmrs[1]) << "the kernel is the same";
  EXPECT_NE(two.rtmrs[2], one.rtmrs[2]);
}

TEST_F(Measured, SameOptionsSameDigest) {
  auto one = measure(options).value();
  EXPECT_EQ(one.digest.size(), 48u);
  EXPECT_EQ(digest(options), one.digest);
  uint64_t pages = 0;
  for (const auto& page : one.pages) pages += page.count;
  EXPECT_EQ(one.page_count, pages);
  EXPECT_EQ(one.pages.back().guest_address, plan::tee::snp::kVmsaAddress);
}

TEST_F(Measured, EveryInputChangesTheDigest) {
  auto base = digest(options);
  auto vcpus = options, ram = options, line = options;
  vcpus.vcpus = 2;
  ram.ram_mib = 257;
  line.extra_command_line = "init=/bin/sh";
  for (const auto& changed : {vcpus, ram, line}) EXPECT_NE(digest(changed), base);
  auto from_caller =
      plan::measure::measure_plan(plan::measure::make_plan(options, true).value()).value();
  EXPECT_NE(from_caller.digest, base);
  write_file(sample.options.init, static_program(as_bytes("another init"))).value();
  create_bundle(sample.options).value();
  EXPECT_NE(digest(options), base);
}

// What everybody who registered a workload has in his broker: it changes only with a note in the
// changelog. The bundle is written by hand, because a compressor's next version may pack the same
// initrd otherwise; and the boot stub is made up, because a compiler's next version may build the
// same one otherwise.
TEST(Measure, DigestOfAFixedBundleIsFrozen) {
  Unfinished folder{make_scratch_folder()};
  Bytes kernel = plan::boot::fake_kernel(), initrd(5000, 0xab);
  BundleInfo info;
  info.kernel_release = "6.1.0-test";
  info.kernel_sha256 = to_hex(crypto::sha256(kernel));
  info.initrd_sha256 = to_hex(crypto::sha256(initrd));
  info.command_line = "quiet panic=-1";
  info.tees = {Tee::simulated};
  write_file(folder.path() / "kernel", kernel).value();
  write_file(folder.path() / "initrd", initrd).value();
  write_file(folder.path() / "bundle.json", as_bytes(plan::bundle::bundle_json(info).value()))
      .value();
  LaunchOptions options;
  options.bundle = folder.path();
  options.vcpus = 2;
  options.ram_mib = 4096;
  auto plan = plan::measure::make_plan(options, false, Bytes(9000, 0x90)).value();
  EXPECT_EQ(to_hex(plan::measure::measure_plan(plan).value().digest),
            "856343c5fee3aa020971d1a2d06c765f445a0c56ce4d9eb9296c0c6c388eb9e4"
            "6f212085f6d26f6b99962eb3d4bd35b3");
}

TEST_F(Measured, NoneHasNoDigest) {
  options.tee = Tee::none;
  auto measurement = measure(options).value();
  EXPECT_TRUE(measurement.digest.empty());
  EXPECT_GT(measurement.page_count, 0u);
}

TEST_F(Measured, WhatCannotBeIsRefused) {
  auto code = [](LaunchOptions changed) { return measure(changed).error().code; };
  auto small = options, large = options, line = options, nowhere = options, no_cpu = options;
  small.ram_mib = 127;
  large.ram_mib = 0xffffffff;
  line.extra_command_line = "a\tb";
  nowhere.bundle = "/nonexistent";
  no_cpu.vcpus = 0;
  for (const auto& bad : {small, large, line, no_cpu})
    EXPECT_EQ(code(bad), ErrorCode::invalid_argument);
  EXPECT_EQ(code(nowhere), ErrorCode::not_found);
}

}  // namespace
}  // namespace bartizan
