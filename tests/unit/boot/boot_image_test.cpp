#include "boot/boot_image.hpp"

#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include "boot/boot_params.hpp"
#include "boot/command_line.hpp"
#include "boot/layout.hpp"
#include "unit/boot/fake_kernel.hpp"

namespace bartizan::boot {
namespace {

BootInput input(uint64_t ram_mib = 256) {
  return {std::make_shared<const Bytes>(fake_kernel()),
          std::make_shared<const Bytes>(Bytes(5000, 0xab)),
          "quiet panic=-1",
          2,
          ram_mib << 20,
          0};
}

const BootChunk& find(const BootImage& image, std::string_view what) {
  for (const auto& chunk : image.chunks) {
    if (chunk.what == what) return chunk;
  }
  throw std::runtime_error("no such chunk");
}

TEST(BootImage, ChunksAscendAndAreDisjoint) {
  auto image = make_boot_image(input()).value();
  uint64_t end = 0;
  for (const auto& chunk : image.chunks) {
    EXPECT_GE(chunk.address.value, end) << chunk.what;
    EXPECT_EQ(chunk.address.value % 4096, 0u);
    EXPECT_EQ(chunk.size % 4096, 0u);
    EXPECT_LE(chunk.bytes->size(), chunk.size);
    end = chunk.address.value + chunk.size;
  }
  EXPECT_EQ(image.chunks.size(), 7u);
  EXPECT_EQ(image.entry, 0x1000200u);
}

// Read back through the kernel's own structure, from its user-space headers.
TEST(BootImage, BootParamsPointToEverything) {
  auto image = make_boot_image(input()).value();
  auto page = load_le<::boot_params>(find(image, "boot_params").bytes->data());
  const auto& initrd = find(image, "initrd");
  EXPECT_EQ(page.acpi_rsdp_addr, find(image, "acpi").address.value);
  EXPECT_EQ(page.hdr.cmd_line_ptr, find(image, "command_line").address.value);
  EXPECT_EQ(page.hdr.ramdisk_image, initrd.address.value);
  EXPECT_EQ(page.hdr.ramdisk_size, 5000u);
  EXPECT_EQ(page.ext_ramdisk_image | page.ext_ramdisk_size | page.ext_cmd_line_ptr, 0u);
  EXPECT_EQ(page.hdr.type_of_loader, 0xff);
  EXPECT_EQ(page.hdr.header, 0x53726448u);
  EXPECT_EQ(page.hdr.init_size, 0x300000u);
  EXPECT_EQ(page.sentinel, 0) << "by which Linux knows that the page was cleared";
  EXPECT_GE(initrd.address.value, 0x1000000u + 0x300000u) << "behind what the kernel may use";
  auto map = memory_map(256ull << 20);
  ASSERT_EQ(page.e820_entries, map.size());
  for (size_t i = 0; i < map.size(); i++) {
    EXPECT_EQ(uint64_t{page.e820_table[i].addr}, map[i].address);
    EXPECT_EQ(uint64_t{page.e820_table[i].size}, map[i].size);
    EXPECT_EQ(uint32_t{page.e820_table[i].type}, static_cast<uint32_t>(map[i].type));
  }
}

TEST(BootImage, CommandLineEndsWithZero) {
  auto image = make_boot_image(input()).value();
  const auto& bytes = *find(image, "command_line").bytes;
  EXPECT_EQ(as_text(bytes), std::string_view("quiet panic=-1\0", 15));
}

TEST(BootImage, SameInputsSameBytes) {
  auto one = make_boot_image(input()).value(), two = make_boot_image(input()).value();
  for (size_t i = 0; i < one.chunks.size(); i++)
    EXPECT_EQ(*one.chunks[i].bytes, *two.chunks[i].bytes);
}

TEST(BootImage, RefusesWhatCannotWork) {
  auto few = input(16);
  EXPECT_EQ(make_boot_image(few).error().code, ErrorCode::invalid_argument);
  EXPECT_NE(make_boot_image(few).error().message.find("they need 21 MiB"), std::string::npos)
      << make_boot_image(few).error().message;
  auto none = input(), many = input(), chatty = input();
  none.vcpus = 0;
  many.vcpus = kMaxVcpus + 1;
  chatty.command_line.assign(2048, 'x');
  for (const auto* bad : {&none, &many, &chatty}) {
    EXPECT_EQ(make_boot_image(*bad).error().code, ErrorCode::invalid_argument);
  }
}

TEST(MemoryMap, LeavesTheHoleAndTheTablesOut) {
  for (uint64_t mib : {128u, 3327u, 3328u, 3329u, 8192u}) {
    uint64_t ram = 0, end = 0;
    for (const auto& entry : memory_map(mib << 20)) {
      EXPECT_GE(entry.address, end);
      end = entry.address + entry.size;
      if (entry.type == E820Type::ram) ram += entry.size;
      EXPECT_TRUE(end <= kMmioHoleStart || entry.address >= kMmioHoleEnd);
      EXPECT_EQ(entry.type == E820Type::acpi, entry.address == kAcpiAddress);
    }
    EXPECT_EQ(ram, (mib << 20) - (kAcpiEnd - kAcpiAddress) - (kHighRamStart - kLowRamEnd));
    EXPECT_EQ(memory_map(mib << 20).size(), mib > 3328 ? 5u : 4u);
  }
}

TEST(CommandLine, JoinsAndChecks) {
  std::string_view parts[] = {"a b", "", "c"};
  EXPECT_EQ(join_command_line(parts).value(), "a b c");
  std::string_view newline[] = {"a\nb"}, zero[] = {std::string_view("a\0b", 3)},
                   high[] = {"\xc3\xa4"};
  EXPECT_EQ(join_command_line(newline).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(join_command_line(zero).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(join_command_line(high).error().code, ErrorCode::invalid_argument);
  std::string longest(kMaxCommandLine, 'x'), longer = longest + 'x';
  std::string_view fits[] = {longest}, does_not[] = {longer};
  EXPECT_TRUE(join_command_line(fits).ok());
  EXPECT_FALSE(join_command_line(does_not).ok());
}

}  // namespace
}  // namespace bartizan::boot
