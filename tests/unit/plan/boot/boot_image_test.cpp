#include "plan/boot/boot_image.hpp"

#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/units.hpp"
#include "crypto/hash.hpp"
#include "plan/boot/boot_params.hpp"
#include "plan/boot/command_line.hpp"
#include "plan/boot/layout.hpp"
#include "unit/plan/boot/fake_kernel.hpp"

namespace bartizan::plan::boot {
namespace {

const Bytes kStub(5000, 0x90);  // no stub, but of the size of one

BootInput input(uint64_t ram_mib = 256,
                guest_abi::StubPlatform platform = guest_abi::StubPlatform::none) {
  return {std::make_shared<const Bytes>(fake_kernel()),
          std::make_shared<const Bytes>(Bytes(5000, 0xab)),
          "quiet panic=-1",
          2,
          ram_mib << 20,
          platform,
          static_cast<uint8_t>(platform == guest_abi::StubPlatform::none ? 0 : 47),
          kStub};
}

const guest_abi::StubBlob& blob(const BootImage& image, guest_abi::StubBlobKind kind) {
  for (const auto& one : image.table.blobs) {
    if (one.kind == static_cast<uint32_t>(kind)) return one;
  }
  throw std::runtime_error("no such blob");
}

const tee::PlanItem& find(const BootImage& image, std::string_view what) {
  for (const auto& item : image.items) {
    if (item.what == what) return item;
  }
  throw std::runtime_error("no such item");
}

TEST(BootImage, ItemsAscendAndAreDisjoint) {
  auto image = make_boot_image(input()).value();
  uint64_t end = 0;
  for (const auto& item : image.items) {
    EXPECT_GE(item.address.value, end) << item.what;
    EXPECT_EQ(item.address.value % 4096, 0u);
    EXPECT_EQ(item.size % 4096, 0u);
    EXPECT_EQ(item.bytes != nullptr, item.kind == tee::PageKind::normal) << item.what;
    EXPECT_TRUE(!item.bytes || item.bytes->size() <= item.size);
    end = item.address.value + item.size;
  }
  EXPECT_EQ(image.items.size(), 9u);
  EXPECT_EQ(image.table.kernel_entry, 0x1000200u);
}

TEST(BootImage, KernelAndInitrdAreStaged) {
  auto image = make_boot_image(input()).value();
  ASSERT_EQ(image.staged.size(), 2u);
  EXPECT_EQ(image.staged[0].address.value, guest_abi::kStagingFirst);
  EXPECT_EQ(image.staged[1].address.value, guest_abi::kStagingFirst + 8192)
      << "the payload's two pages";
  const auto& kernel = blob(image, guest_abi::StubBlobKind::kernel);
  EXPECT_EQ(kernel.source, guest_abi::kStagingFirst);
  EXPECT_EQ(kernel.destination, 0x1000000u);
  EXPECT_EQ(kernel.size, image.staged[0].bytes->size());
  const auto& initrd = blob(image, guest_abi::StubBlobKind::initrd);
  EXPECT_EQ(initrd.size, 5000u);
  EXPECT_EQ(to_hex(initrd.sha256), to_hex(crypto::sha256(Bytes(5000, 0xab))));
  auto without = input();
  without.initrd = std::make_shared<const Bytes>();
  EXPECT_EQ(make_boot_image(without).value().table.blob_count, 4u);
}

TEST(BootImage, WhatDoesNotFitTheStagingWindowIsRefused) {
  auto large = input(2048);
  large.initrd = std::make_shared<const Bytes>(guest_abi::kStagingEnd - guest_abi::kStagingFirst);
  auto error = make_boot_image(large).error();
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_NE(error.message.find("initrd of 623 MiB"), std::string::npos) << error.message;
}

// The hashes of what lies in place are of exactly the bytes in place.
TEST(BootImage, TableSaysWhatIsInPlace) {
  auto image = make_boot_image(input(256, guest_abi::StubPlatform::sev)).value();
  auto table = load_le<guest_abi::StubTable>(find(image, "launch_table").bytes->data());
  EXPECT_EQ(table.magic, guest_abi::kStubMagic);
  EXPECT_EQ(table.platform, 2u);
  EXPECT_EQ(table.address_bit, 47u);
  EXPECT_EQ(table.vcpus, 2u);
  EXPECT_EQ(table.blob_count, 5u);
  EXPECT_EQ(table.range_count, 0u) << "of SEV guests there is nothing to validate";
  std::pair<guest_abi::StubBlobKind, const char*> in_place[] = {
      {guest_abi::StubBlobKind::command_line, "command_line"},
      {guest_abi::StubBlobKind::boot_params, "boot_params"},
      {guest_abi::StubBlobKind::acpi, "acpi"}};
  for (auto [kind, what] : in_place) {
    const auto& item = find(image, what);
    const auto& one = blob(image, kind);
    EXPECT_EQ(one.source, 0u);
    EXPECT_EQ(one.destination, item.address.value);
    EXPECT_EQ(one.size, item.bytes->size());
    EXPECT_EQ(to_hex(one.sha256), to_hex(crypto::sha256(*item.bytes)));
  }
}

// As Linux searches (compressed/sev.c: find_cc_blob_setup_data): along setup_data.
TEST(BootImage, SnpHandOverIsFoundAlongSetupData) {
  auto image = make_boot_image(input(256, guest_abi::StubPlatform::snp)).value();
  auto page = load_le<::boot_params>(find(image, "boot_params").bytes->data());
  const auto& hand_over = find(image, "hand_over");
  ASSERT_EQ(page.hdr.setup_data, hand_over.address.value);
  const auto* node = hand_over.bytes->data();
  EXPECT_EQ(load_le<uint64_t>(node), 0u) << "the only node";
  EXPECT_EQ(load_le<uint32_t>(node + 8), 7u) << "SETUP_CC_BLOB";
  EXPECT_EQ(load_le<uint32_t>(node + 12), 4u);
  uint64_t blob_at = load_le<uint32_t>(node + 16) - hand_over.address.value;
  ASSERT_LE(blob_at + 40, hand_over.bytes->size());
  const auto* cc = node + blob_at;
  EXPECT_EQ(load_le<uint32_t>(cc), 0x45444d41u);
  EXPECT_EQ(load_le<uint64_t>(cc + 8), find(image, "secrets").address.value);
  EXPECT_EQ(load_le<uint32_t>(cc + 16), 4096u) << "exactly: Linux stops at any other";
  EXPECT_EQ(load_le<uint64_t>(cc + 24), find(image, "cpuid").address.value);
  EXPECT_EQ(load_le<uint32_t>(cc + 32), 4096u);
  EXPECT_EQ(
      load_le<::boot_params>(find(make_boot_image(input()).value(), "boot_params").bytes->data())
          .hdr.setup_data,
      0u);
}

TEST(BootImage, TdxResetVectorJumpsToTheStub) {
  auto image = make_boot_image(input(256, guest_abi::StubPlatform::tdx)).value();
  const auto& page = find(image, "reset_vector");
  EXPECT_EQ(page.address.value + page.size, 1ull << 32);
  const auto* jump = page.bytes->data() + 0xff0;
  EXPECT_EQ(*jump, 0xe9);
  auto next = static_cast<uint32_t>(0xfffffff0 + 5);
  EXPECT_EQ(next + load_le<uint32_t>(jump + 1), guest_abi::kStubAddress + guest_abi::kStubEntry32);
}

// Every page that a kernel may touch is loaded or validated, once; what is the host's never is.
TEST(BootImage, ValidatedAndLoadedCoverAllThatLinuxUses) {
  for (auto platform : {guest_abi::StubPlatform::snp, guest_abi::StubPlatform::tdx}) {
    for (uint64_t mib : {128u, 3328u, 65536u}) {
      auto image = make_boot_image(input(mib, platform)).value();
      std::map<uint64_t, uint64_t> pieces;
      auto add = [&](uint64_t address, uint64_t size) {
        EXPECT_TRUE(pieces.emplace(address, size).second) << address;
      };
      for (const auto& item : image.items) add(item.address.value, item.size);
      uint64_t before = 0;
      for (uint32_t i = 0; i < image.table.range_count; i++) {
        const auto& range = image.table.ranges[i];
        EXPECT_TRUE(i == 0 || range.address > before) << "ascending";
        EXPECT_GT(range.pages, 0u);
        before = range.address;
        add(range.address, range.pages * 4096);
      }
      std::vector<std::pair<uint64_t, uint64_t>> joined;
      for (auto [address, size] : pieces) {
        ASSERT_TRUE(joined.empty() || joined.back().second <= address) << "overlap";
        if (!joined.empty() && joined.back().second == address) {
          joined.back().second += size;
        } else {
          joined.emplace_back(address, address + size);
        }
      }
      std::vector<std::pair<uint64_t, uint64_t>> expected;
      uint64_t low = std::min(mib << 20, kMmioHoleStart), end = mib << 20;
      if (platform == guest_abi::StubPlatform::snp) {
        expected = {{0, kLowRamEnd}, {kRamAbove1MiB, low}};
      } else {
        expected = {{0, low}, {guest_abi::kTdxResetPage, kRamAbove4GiB}};
      }
      if (end > low && platform == guest_abi::StubPlatform::tdx) {
        expected.back().second += end - low;
      } else if (end > low) {
        expected.emplace_back(kRamAbove4GiB, kRamAbove4GiB + end - low);
      }
      EXPECT_EQ(joined, expected) << mib << " MiB";
    }
  }
}

// Linux maps what e820 calls reserved, or does not name, as shared memory: tables there would read
// as garbage in a confidential guest.
TEST(BootImage, NothingOfOursIsReservedOrUnnamed) {
  for (auto platform : {guest_abi::StubPlatform::none, guest_abi::StubPlatform::snp,
                        guest_abi::StubPlatform::tdx}) {
    auto image = make_boot_image(input(256, platform)).value();
    auto map = memory_map(256ull << 20);
    for (const auto& item : image.items) {
      if (item.what == "reset_vector") continue;  // run once, before Linux
      auto holds = [&](const E820Entry& entry) {
        return item.address.value >= entry.address &&
               item.address.value + item.size <= entry.address + entry.size;
      };
      auto entry = std::ranges::find_if(map, holds);
      ASSERT_NE(entry, map.end()) << item.what;
      EXPECT_NE(entry->type, E820Type::reserved) << item.what;
      bool stubs_own = item.address.value >= guest_abi::kStubAddress &&
                       item.address.value < guest_abi::kStubReservedEnd;
      E820Type wanted = stubs_own             ? E820Type::nvs
                        : item.what == "acpi" ? E820Type::acpi
                                              : E820Type::ram;
      EXPECT_EQ(entry->type, wanted) << item.what;
    }
  }
}

TEST(BootImage, AStubThatCannotBeIsOurOwnMistake) {
  auto bad = input();
  bad.stub = {};
  EXPECT_EQ(make_boot_image(bad).error().code, ErrorCode::internal);
  Bytes large(guest_abi::kStubMaxBytes + 1);
  bad.stub = large;
  EXPECT_EQ(make_boot_image(bad).error().code, ErrorCode::internal);
}

// To the kernel one initramfs: the segment that is loaded, then the initrd that is staged.
TEST(BootImage, SecretSegmentBeforeTheInitrd) {
  auto with = input();
  with.secret_segment = Bytes(kPageSize, 0x5e);
  auto image = make_boot_image(with).value();
  const auto& item = find(image, "launch_secret");
  const auto& initrd = blob(image, guest_abi::StubBlobKind::initrd);
  EXPECT_EQ(*item.bytes, with.secret_segment);
  EXPECT_EQ(image.secret_segment, item.address.value);
  EXPECT_EQ(initrd.destination, item.address.value + kPageSize);
  auto page = load_le<::boot_params>(find(image, "boot_params").bytes->data());
  EXPECT_EQ(page.hdr.ramdisk_image, item.address.value);
  EXPECT_EQ(page.hdr.ramdisk_size, kPageSize + 5000);
  EXPECT_EQ(make_boot_image(input()).value().secret_segment, 0u);
}

// Read back through the kernel's own structure, from its user-space headers.
TEST(BootImage, BootParamsPointToEverything) {
  auto image = make_boot_image(input()).value();
  auto page = load_le<::boot_params>(find(image, "boot_params").bytes->data());
  const auto& initrd = blob(image, guest_abi::StubBlobKind::initrd);
  EXPECT_EQ(page.acpi_rsdp_addr, find(image, "acpi").address.value);
  EXPECT_EQ(page.hdr.cmd_line_ptr, find(image, "command_line").address.value);
  EXPECT_EQ(page.hdr.ramdisk_image, initrd.destination);
  EXPECT_EQ(page.hdr.ramdisk_size, 5000u);
  EXPECT_EQ(page.ext_ramdisk_image | page.ext_ramdisk_size | page.ext_cmd_line_ptr, 0u);
  EXPECT_EQ(page.hdr.type_of_loader, 0xff);
  EXPECT_EQ(page.hdr.header, 0x53726448u);
  EXPECT_EQ(page.hdr.init_size, 0x300000u);
  EXPECT_EQ(page.sentinel, 0) << "by which Linux knows that the page was cleared";
  EXPECT_GE(initrd.destination, 0x1000000u + 0x300000u) << "behind what the kernel may use";
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
  for (size_t i = 0; i < one.items.size(); i++)
    EXPECT_TRUE(!one.items[i].bytes || *one.items[i].bytes == *two.items[i].bytes);
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

TEST(RamRegions, LieAroundTheHole) {
  using Platform = guest_abi::StubPlatform;
  auto regions = [](uint64_t bytes, Platform platform) {
    std::vector<std::pair<uint64_t, uint64_t>> found;
    for (const RamRegion& region : ram_regions(bytes, platform))
      found.emplace_back(region.base.value, region.size);
    return found;
  };
  using Expected = std::vector<std::pair<uint64_t, uint64_t>>;
  EXPECT_EQ(regions(512 * kMiB, Platform::snp), (Expected{{0, 512 * kMiB}}));
  EXPECT_EQ(regions(kMmioHoleStart, Platform::none), (Expected{{0, kMmioHoleStart}}));
  EXPECT_EQ(regions(kMmioHoleStart + kPageSize, Platform::none),
            (Expected{{0, kMmioHoleStart}, {0x1'0000'0000, kPageSize}}));
  EXPECT_EQ(regions(4 * kGiB, Platform::tdx),
            (Expected{{0, 0xd000'0000}, {0xffff'f000, kPageSize}, {0x1'0000'0000, 768 * kMiB}}));
}

TEST(MemoryMap, LeavesTheHoleAndTheTablesOut) {
  for (uint64_t mib : {128u, 3327u, 3328u, 3329u, 8192u}) {
    uint64_t ram = 0, end = 0;
    for (const auto& entry : memory_map(mib << 20)) {
      EXPECT_GE(entry.address, end);
      end = entry.address + entry.size;
      if (entry.type == E820Type::ram) ram += entry.size;
      EXPECT_TRUE(end <= kMmioHoleStart || entry.address >= kRamAbove4GiB);
      EXPECT_EQ(entry.type == E820Type::acpi, entry.address == kAcpiAddress);
      EXPECT_EQ(entry.type == E820Type::nvs, entry.address == guest_abi::kStubAddress);
    }
    EXPECT_EQ(ram, (mib << 20) - (guest_abi::kStubReservedEnd - kAcpiAddress) -
                       (kRamAbove1MiB - kLowRamEnd));
    EXPECT_EQ(memory_map(mib << 20).size(), mib > 3328 ? 6u : 5u);
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
}  // namespace bartizan::plan::boot
