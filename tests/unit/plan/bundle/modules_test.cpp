#include "plan/bundle/create/modules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/errors.hpp"
#include "unit/plan/bundle/sample.hpp"

namespace bartizan::plan::bundle::create {
namespace {

using Paths = std::vector<std::string>;

Result<Paths> order(std::string_view dependencies, std::string_view builtin,
                    std::vector<WantedModule> wanted) {
  return TRY(ModuleIndex::parse(dependencies, builtin)).load_order(wanted);
}

TEST(Modules, DependenciesComeFirstAndOnce) {
  constexpr std::string_view kIndex =
      "k/c.ko: k/b.ko k/a-x.ko\n"
      "k/b.ko: k/a-x.ko\n"
      "k/a-x.ko:\n"
      "k/d.ko.xz: k/a-x.ko\n";
  EXPECT_EQ(order(kIndex, "", {{"c"}, {"d"}}).value(),
            (Paths{"k/a-x.ko", "k/b.ko", "k/c.ko", "k/d.ko.xz"}));
  EXPECT_EQ(order(kIndex, "", {{"a_x"}}).value(), Paths{"k/a-x.ko"}) << "'-' and '_' are the same";
}

TEST(Modules, BuiltInAndOptionalOnesAreLeftOut) {
  EXPECT_EQ(order("", "kernel/a.ko\nkernel/b-c.ko\n", {{"a"}, {"b_c"}, {"absent", false}}).value(),
            Paths{});
}

TEST(Modules, MissingOnesAreNamed) {
  auto error = order("", "", {{"dm_crypt"}}).error();
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.message.find("dm_crypt"), std::string::npos);
}

TEST(Modules, BadIndexIsCorrupt) {
  std::string deep;
  for (int i = 0; i < 100; i++)
    deep += "m" + std::to_string(i) + ".ko: m" + std::to_string(i + 1) + ".ko\n";
  EXPECT_EQ(order("k/a.ko: k/b.ko\n", "", {{"a"}}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(order("k/a.ko: k/b.ko\nk/b.ko: k/a.ko\n", "", {{"a"}}).error().code,
            ErrorCode::corrupt);
  EXPECT_EQ(order("no colon\n", "", {}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(order("../../etc/x.ko:\n", "", {}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(order("/etc/x.ko:\n", "", {}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(order(deep, "", {{"m0"}}).error().code, ErrorCode::corrupt);
}

TEST(Modules, DamagedFilesAreCorrupt) {
  Sample sample;
  auto folder = sample.options.modules;
  std::vector<WantedModule> wanted = {{"overlay"}};
  EXPECT_EQ(collect_modules(folder, wanted).value().at(0).file_name, "overlay.ko");
  write_file(folder / "kernel/overlay.ko", as_bytes("text")).value();
  EXPECT_EQ(collect_modules(folder, wanted).error().code, ErrorCode::corrupt);
  write_file(folder / "modules.dep", as_bytes("kernel/overlay.ko.xz:\n")).value();
  EXPECT_EQ(collect_modules(folder, wanted).error().code, ErrorCode::not_found);
  write_file(folder / "kernel/overlay.ko.xz", as_bytes("\xfd"
                                                       "7zXZ"))
      .value();
  EXPECT_EQ(collect_modules(folder, wanted).error().code, ErrorCode::corrupt);
  EXPECT_EQ(collect_modules(folder / "absent", wanted).error().code, ErrorCode::not_found);
}

// Real kernels: the closure holds what modprobe would load, in an order in which each module finds
// what it needs.
TEST(Modules, InstalledKernelsHaveAllThatAGuestNeeds) {
  int seen = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/lib/modules", none)) {
    if (!std::filesystem::exists(entry.path() / "modules.dep")) continue;
    auto modules = collect_modules(entry.path(), guest_modules());
    ASSERT_TRUE(modules.ok()) << entry.path() << ": " << modules.error().describe();
    Paths names;
    for (const auto& module : *modules) names.push_back(module.file_name);
    auto at = [&](const char* name) {
      return std::find(names.begin(), names.end(), name) - names.begin();
    };
    EXPECT_LT(at("dm-crypt.ko"), static_cast<ptrdiff_t>(names.size()));
    EXPECT_LT(at("dm-mod.ko"), at("dm-crypt.ko"));
    EXPECT_LT(at("dm-bufio.ko"), at("dm-verity.ko"));
    auto builtin = read_file(entry.path() / "modules.builtin", 1 << 20).value();
    if (as_text(builtin).find("crc32c_generic.ko") == std::string_view::npos) {
      EXPECT_LT(at("crc32c_generic.ko"), at("libcrc32c.ko"));
    }
    EXPECT_LT(at("libcrc32c.ko"), at("erofs.ko"));
    seen++;
  }
  if (seen == 0) GTEST_SKIP() << "no kernel modules installed";
}

}  // namespace
}  // namespace bartizan::plan::bundle::create
