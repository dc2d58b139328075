#include "plan/bundle/bundle.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "plan/bundle/create/guest_init.hpp"
#include "unit/plan/bundle/sample.hpp"

namespace bartizan {
namespace {

Bytes bytes(const std::filesystem::path& path) {
  return read_file(path, 64 << 20).value();
}

TEST(Bundle, IsMadeAndRead) {
  Sample sample;
  sample.options.extra_command_line = "loglevel=7";
  auto made = create_bundle(sample.options).value();
  auto read = read_bundle(sample.options.output).value();
  EXPECT_EQ(read.kernel_release, "6.1.0-test");
  EXPECT_EQ(read.kernel_sha256, made.kernel_sha256);
  EXPECT_EQ(read.initrd_sha256, made.initrd_sha256);
  EXPECT_EQ(read.initrd_bytes, made.initrd_bytes);
  EXPECT_TRUE(read.command_line.starts_with("quiet panic=-1 reboot=t "));
  EXPECT_TRUE(read.command_line.ends_with(" console=hvc0 loglevel=7"));
  EXPECT_EQ(*LoadedBundle::load(sample.options.output).value().content().kernel,
            bytes(sample.options.kernel));
}

TEST(Bundle, InMemoryItNeedsItsFilesNoMore) {
  Sample sample;
  const auto made = create_bundle(sample.options).value();
  const Bytes kernel = bytes(sample.options.output / "kernel");
  auto loaded = LoadedBundle::load(sample.options.output);
  ASSERT_TRUE(loaded.ok()) << loaded.error().describe();
  std::filesystem::remove_all(sample.options.output);
  const LoadedBundle copy = *loaded;
  EXPECT_EQ(*copy.content().kernel, kernel);
  EXPECT_EQ(copy.content().kernel, loaded->content().kernel) << "copies share the bytes";
  EXPECT_EQ(copy.info().digest, made.digest);
  EXPECT_EQ(copy.info().path, sample.options.output);
  auto gone = LoadedBundle::load(sample.options.output);
  EXPECT_EQ(gone.error().code, ErrorCode::not_found);
}

// What scripts/setup unpacks lies below a folder of its own, as if that were the root.
TEST(Bundle, ModulesAreFoundBesideTheirKernel) {
  Sample sample;
  const auto root = sample.folder.path() / "root";
  std::filesystem::create_directories(root / "boot");
  std::filesystem::create_directories(root / "lib/modules");
  std::filesystem::rename(sample.options.kernel, root / "boot/vmlinuz");
  sample.options.kernel = root / "boot/vmlinuz";
  auto modules = std::exchange(sample.options.modules, {});
  EXPECT_FALSE(create_bundle(sample.options).ok());
  std::filesystem::rename(modules, root / "lib/modules/6.1.0-test");
  auto made = create_bundle(sample.options);
  ASSERT_TRUE(made.ok()) << made.error().describe();
}

TEST(Bundle, SameInputsSameBytes) {
  Sample sample;
  create_bundle(sample.options).value();
  auto one = sample.options.output;
  sample.options.output = sample.folder.path() / "other";
  auto old_mask = ::umask(0077);
  // Another time, and other times on the inputs.
  std::filesystem::last_write_time(
      sample.options.init,
      std::filesystem::file_time_type::clock::now() + std::chrono::hours(1000));
  create_bundle(sample.options).value();
  ::umask(old_mask);
  for (const char* file : {"kernel", "initrd", "bundle.json"}) {
    EXPECT_EQ(bytes(one / file), bytes(sample.options.output / file)) << file;
  }
}

TEST(Bundle, ReplacesABundleButNothingElse) {
  Sample sample;
  create_bundle(sample.options).value();
  write_file(sample.options.init, static_program(as_bytes("another init"))).value();
  auto again = create_bundle(sample.options).value();
  EXPECT_EQ(read_bundle(sample.options.output).value().initrd_sha256, again.initrd_sha256);
  sample.options.output = sample.folder.path() / "precious";
  std::filesystem::create_directory(sample.options.output);
  write_file(sample.options.output / "letter", as_bytes("dear")).value();
  EXPECT_EQ(create_bundle(sample.options).error().code, ErrorCode::already_exists);
  EXPECT_TRUE(std::filesystem::exists(sample.options.output / "letter"));
}

TEST(Bundle, ChangedFilesAreFoundOut) {
  Sample sample;
  create_bundle(sample.options).value();
  for (const char* file : {"kernel", "initrd"}) {
    auto path = sample.options.output / file;
    auto content = bytes(path), changed = content;
    changed[changed.size() / 2] ^= 1;
    write_file(path, changed).value();
    auto error = read_bundle(sample.options.output).error();
    EXPECT_EQ(error.code, ErrorCode::corrupt);
    EXPECT_NE(error.message.find(path.string()), std::string::npos) << error.message;
    write_file(path, content).value();
  }
  EXPECT_TRUE(read_bundle(sample.options.output).ok());
  std::filesystem::remove(sample.options.output / "initrd");
  EXPECT_EQ(read_bundle(sample.options.output).error().code, ErrorCode::not_found);
  auto error = read_bundle(sample.folder.path() / "absent").error();
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_NE(error.message.find("bartizan bundle create"), std::string::npos);
}

TEST(Bundle, BadInputsAreNamedAndLeaveNothing) {
  Sample sample;
  auto before = std::distance(std::filesystem::directory_iterator(sample.folder.path()), {});
  auto fails = [&](BundleOptions options, ErrorCode code, std::string_view named) {
    auto made = create_bundle(options);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, code) << made.error().describe();
    EXPECT_NE(made.error().message.find(named), std::string::npos) << made.error().describe();
  };
  auto options = sample.options;
  options.kernel = sample.folder.path() / "none";
  fails(options, ErrorCode::not_found, "none");
  options = sample.options;
  options.kernel = sample.options.init;
  fails(options, ErrorCode::corrupt, "not a bzImage");
  options = sample.options;
  options.modules = sample.folder.path() / "none";
  fails(options, ErrorCode::not_found, "modules of kernel 6.1.0-test");
  options = sample.options;
  options.init = sample.folder.path() / "none";
  fails(options, ErrorCode::not_found, "none");
  options = sample.options;
  options.extra_command_line = "a\nb";
  fails(options, ErrorCode::invalid_argument, "command line");
  options = sample.options;
  options.progress = [](const Progress& progress) { return progress.stage != "write"; };
  fails(options, ErrorCode::cancelled, "write");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(sample.folder.path()), {}), before);
}

// A guest has no loader, and starts nothing of another machine.
TEST(Bundle, InitMustBeAStaticProgram) {
  Sample sample;
  const auto refused = [&](ByteView init, std::string_view why) {
    write_file(sample.options.init, init).value();
    auto made = create_bundle(sample.options);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(made.error().message.find(why), std::string::npos) << made.error().describe();
  };
  refused(as_bytes("#!/bin/sh\n" + std::string(100, ' ')), "no ELF file");
  refused(static_program({}, 3), "dynamic loader");
  refused(ByteView(static_program({})).first(40), "too short");
  Bytes other = static_program({});
  other[18] = 0xb7;  // EM_AARCH64
  refused(other, "processor");
  Bytes cut = static_program({});
  cut[56] = 2;
  refused(cut, "outside the file");
  sample.options.init = "/bin/ls";
  auto made = create_bundle(sample.options);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("/bin/ls"), std::string::npos) << made.error().describe();
}

TEST(Bundle, ReplacingOneNamesBothDigests) {
  Sample sample;
  auto first = create_bundle(sample.options).value();
  EXPECT_EQ(first.replaced_digest, "");
  EXPECT_EQ(first.digest, read_bundle(sample.options.output).value().digest);
  auto same = create_bundle(sample.options).value();
  EXPECT_EQ(same.replaced_digest, same.digest);
  write_file(sample.options.init, static_program(as_bytes("another"))).value();
  auto other = create_bundle(sample.options).value();
  EXPECT_EQ(other.replaced_digest, first.digest);
  EXPECT_NE(other.digest, first.digest);
}

TEST(Bundle, TooLargeAnInitrdIsRefused) {
  Sample sample;
  Bytes noise(9 << 20);
  uint32_t state = 1;
  for (auto& byte : noise)
    byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  write_file(sample.options.init, static_program(noise)).value();
  EXPECT_EQ(create_bundle(sample.options).error().code, ErrorCode::resource_exhausted);
}

TEST(Bundle, DefaultPathFollowsTheEnvironment) {
  ::setenv("BARTIZAN_BUNDLE", "/somewhere", 1);
  EXPECT_EQ(default_bundle_path(), "/somewhere");
  ::unsetenv("BARTIZAN_BUNDLE");
  Sample sample;
  ::setenv("XDG_CACHE_HOME", sample.folder.path().c_str(), 1);
  sample.options.output.clear();
  EXPECT_EQ(create_bundle(sample.options).value().path, sample.folder.path() / "bartizan/bundle");
  EXPECT_EQ(default_bundle_path(), sample.folder.path() / "bartizan/bundle");
  EXPECT_TRUE(read_bundle({}).ok());
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(GuestInit, EnvironmentWinsAndAbsenceListsWhatWasTried) {
  ::setenv("BARTIZAN_INIT", "/somewhere/init", 1);
  EXPECT_EQ(plan::bundle::create::find_guest_init().value(), "/somewhere/init");
  ::unsetenv("BARTIZAN_INIT");
  auto found = plan::bundle::create::find_guest_init();
  if (found.ok()) {
    EXPECT_TRUE(std::filesystem::is_regular_file(found.value())) << "an installed one";
  } else {
    EXPECT_EQ(found.error().code, ErrorCode::not_found);
    EXPECT_NE(found.error().message.find("/usr/lib/bartizan/init"), std::string::npos);
  }
}

}  // namespace
}  // namespace bartizan
