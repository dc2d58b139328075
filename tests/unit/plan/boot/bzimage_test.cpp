#include "plan/boot/bzimage.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "unit/plan/boot/fake_kernel.hpp"

namespace bartizan::plan::boot {
namespace {

TEST(BzImage, ReadsTheHeader) {
  auto image = parse_bzimage(fake_kernel()).value();
  EXPECT_EQ(image.release, "6.1.0-test");
  EXPECT_EQ(image.payload_offset, 1024u);
  EXPECT_EQ(image.payload_size, 8192u);
  EXPECT_EQ(image.load_address, 0x1000000u);
  EXPECT_EQ(image.setup_header.size(), 0x26cu - 0x1f1u);
}

struct Damage {
  const char* name;
  size_t offset;
  std::vector<uint8_t> bytes;
  ErrorCode code;
};

class BadBzImage : public testing::TestWithParam<Damage> {};

TEST_P(BadBzImage, IsRefused) {
  auto file = fake_kernel();
  std::copy(GetParam().bytes.begin(), GetParam().bytes.end(),
            file.begin() + static_cast<ptrdiff_t>(GetParam().offset));
  auto image = parse_bzimage(file);
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().code, GetParam().code) << image.error().describe();
}

INSTANTIATE_TEST_SUITE_P(
    All, BadBzImage,
    testing::Values(Damage{"signature", 0x202, {'X'}, ErrorCode::corrupt},
                    Damage{"boot_flag", 0x1fe, {0}, ErrorCode::corrupt},
                    Damage{"old_protocol", 0x206, {0x0b, 0x02}, ErrorCode::unsupported},
                    Damage{"no_64bit_entry", 0x236, {0, 0}, ErrorCode::unsupported},
                    Damage{"loaded_low", 0x211, {0}, ErrorCode::unsupported},
                    Damage{"setup_beyond_file", 0x1f1, {255}, ErrorCode::corrupt},
                    Damage{
                        "payload_beyond_file", 0x1f4, {0xff, 0xff, 0xff, 0xff}, ErrorCode::corrupt},
                    Damage{"payload_without_entry", 0x1f4, {0x20, 0, 0, 0}, ErrorCode::corrupt},
                    Damage{"header_too_short", 0x201, {0x10}, ErrorCode::corrupt},
                    Damage{"header_too_long", 0x201, {0x90}, ErrorCode::corrupt},
                    Damage{"alignment_no_power", 0x230, {0, 0x30, 0, 0}, ErrorCode::corrupt},
                    Damage{"alignment_zero", 0x230, {0, 0, 0, 0}, ErrorCode::corrupt},
                    Damage{"address_low", 0x258, {0, 0, 0, 0, 0, 0, 0, 0}, ErrorCode::corrupt},
                    Damage{"address_huge", 0x258, {0, 0, 0, 0, 0, 0, 0, 0x80}, ErrorCode::corrupt},
                    Damage{"address_unaligned", 0x258, {0, 0, 0x01, 0x01}, ErrorCode::corrupt},
                    Damage{"init_size_small", 0x260, {0, 0x10, 0, 0}, ErrorCode::corrupt},
                    Damage{"init_size_huge", 0x260, {0, 0, 0, 0xff}, ErrorCode::corrupt},
                    Damage{"no_release", 0x20e, {0, 0}, ErrorCode::corrupt},
                    Damage{"release_beyond_setup", 0x20e, {0, 0x7f}, ErrorCode::corrupt},
                    Damage{"release_is_a_path", 0x300, {'.', '.', '/', 'x'}, ErrorCode::corrupt}),
    [](const auto& info) { return info.param.name; });

TEST(BzImage, TruncatedAnywhereIsAnError) {
  auto file = fake_kernel();
  for (size_t size = 0; size + 16 < file.size(); size += 97) {
    Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(parse_bzimage(cut).ok()) << size;
  }
}

TEST(BzImage, InstalledKernelsAreAccepted) {
  int seen = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/boot", none)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with("vmlinuz-")) continue;
    auto file = read_file(entry.path(), kMaxKernelBytes);
    if (!file.ok()) continue;
    EXPECT_EQ(parse_bzimage(*file).value().release, name.substr(8));
    seen++;
  }
  if (seen == 0) GTEST_SKIP() << "no readable kernel under /boot";
}

}  // namespace
}  // namespace bartizan::plan::boot
