// Guest memory: who may touch what, and what a host sees.
#include "vmm/memory/vm_memory.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "base/units.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::vmm::memory {
namespace {

constexpr uint64_t kLow = 64 * kPageSize, kHigh = 16 * kPageSize;
constexpr uint64_t kHighBase = 0x1'0000'0000;

std::unique_ptr<GuestMemory> make(PageState initial) {
  auto memory =
      GuestMemory::create({{GuestAddress{0}, kLow}, {GuestAddress{kHighBase}, kHigh}}, initial);
  EXPECT_TRUE(memory.ok());
  return std::move(*memory);
}

Bytes text(std::string_view words) {
  return Bytes(words.begin(), words.end());
}

ErrorCode read_error(GuestMemory& memory, uint64_t at, size_t size) {
  Bytes buffer(size);
  auto done = memory.read({at}, buffer);
  return done.ok() ? ErrorCode{} : done.error().code;
}

TEST(GuestMemory, RefusesBadRegions) {
  auto code = [](std::vector<RamRegion> regions) {
    auto memory = GuestMemory::create(std::move(regions), PageState::shared);
    return memory.ok() ? ErrorCode{} : memory.error().code;
  };
  EXPECT_EQ(code({}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{GuestAddress{0}, 100}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{GuestAddress{5}, kPageSize}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{GuestAddress{0}, 2 * kPageSize}, {GuestAddress{kPageSize}, kPageSize}}),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code({{GuestAddress{~0ull << 12}, 2 * kPageSize}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{GuestAddress{0}, 1ull << 60}}), ErrorCode::resource_exhausted);
}

TEST(GuestMemory, DevicesReachSharedPagesOnly) {
  auto memory = make(PageState::private_);
  memory->set_state({kPageSize}, 2, PageState::shared);
  EXPECT_EQ(read_error(*memory, kPageSize, 2 * kPageSize), ErrorCode{});
  EXPECT_EQ(memory->private_refusals(), 0u);
  EXPECT_EQ(read_error(*memory, kPageSize, 2 * kPageSize + 1), ErrorCode::permission_denied);
  EXPECT_EQ(read_error(*memory, kPageSize - 1, 2), ErrorCode::permission_denied);
  EXPECT_FALSE(memory->write({0}, text("x")).ok());
  EXPECT_FALSE(memory->window({3 * kPageSize}, 1).ok());
  EXPECT_EQ(memory->private_refusals(), 4u);
  EXPECT_EQ(memory->shared_pages(), 2u);
  memory->set_state({kPageSize}, 1, PageState::private_);
  EXPECT_EQ(read_error(*memory, kPageSize, 1), ErrorCode::permission_denied);
}

TEST(GuestMemory, RangesOutsideRamOrWrappingAreRefused) {
  auto memory = make(PageState::shared);
  EXPECT_EQ(read_error(*memory, kLow - 1, 1), ErrorCode{});
  EXPECT_EQ(read_error(*memory, kLow - 1, 2), ErrorCode::invalid_argument)
      << "crosses the end of a region";
  EXPECT_EQ(read_error(*memory, kLow, 1), ErrorCode::invalid_argument);
  EXPECT_EQ(read_error(*memory, kHighBase + kHigh - 1, 1), ErrorCode{});
  EXPECT_EQ(read_error(*memory, kHighBase + kHigh, 1), ErrorCode::invalid_argument);
  EXPECT_FALSE(memory->window({1}, UINT64_MAX).ok());
  EXPECT_FALSE(memory->window({UINT64_MAX}, 2).ok());
  EXPECT_EQ(memory->private_refusals(), 0u) << "no RAM is not a private page";
}

// A guest may name any range in a page-state call: what is RAM changes, the rest is passed over,
// and it costs little.
TEST(GuestMemory, PageStateCallsMayNameAnything) {
  auto memory = make(PageState::private_);
  memory->set_state({0}, UINT64_MAX, PageState::shared);
  EXPECT_EQ(memory->shared_pages(), (kLow + kHigh) / kPageSize);
  memory->set_state({kLow - kPageSize}, (kHighBase - kLow) / kPageSize + 2, PageState::private_);
  EXPECT_EQ(memory->shared_pages(), (kLow + kHigh) / kPageSize - 2);
  EXPECT_EQ(memory->state({kLow - kPageSize}), PageState::private_);
  EXPECT_EQ(memory->state({kHighBase}), PageState::private_);
  EXPECT_EQ(memory->state({kHighBase + kPageSize}), PageState::shared);
  memory->set_state({0xffff'ffff'ffff'f000}, 16, PageState::shared);
  EXPECT_EQ(memory->state_changes(), 3u);
}

TEST(GuestMemory, StatesChangeUnderTheDevicesFeet) {
  auto memory = make(PageState::shared);
  std::atomic<bool> over{false};
  std::thread guest([&] {
    for (int i = 0; i < 20'000; ++i)
      memory->set_state({0}, 64, i % 2 ? PageState::shared : PageState::private_);
    over = true;
  });
  uint64_t refused = 0, served = 0;
  while (!over) (read_error(*memory, 10 * kPageSize, 8) == ErrorCode{} ? served : refused)++;
  guest.join();
  EXPECT_EQ(memory->private_refusals(), refused);
  EXPECT_EQ(memory->state_changes(), 20'000u);
}

TEST(Views, TheHostSeesSharedPagesAndCiphertext) {
  auto memory = make(PageState::private_);
  ASSERT_TRUE(memory->load({3 * kPageSize + 100}, text("a secret")).ok());
  ASSERT_TRUE(memory->load({5 * kPageSize}, text("a secret")).ok());
  memory->set_state({5 * kPageSize}, 1, PageState::shared);
  EXPECT_EQ(*memory->count_raw(text("a secret")), 2u);
  EXPECT_EQ(*memory->count_host_view(text("a secret")), 1u);
  Bytes raw(kPageSize), seen(kPageSize), again(kPageSize);
  ASSERT_TRUE(memory->read_raw(3 * kPageSize, raw).ok());
  ASSERT_TRUE(memory->read_host_view(3 * kPageSize, seen).ok());
  ASSERT_TRUE(memory->read_host_view(3 * kPageSize, again).ok());
  EXPECT_NE(raw, seen);
  EXPECT_EQ(seen, again) << "a page does not change by being looked at";
  Bytes part(8);
  ASSERT_TRUE(memory->read_host_view(3 * kPageSize + 100, part).ok());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), seen.begin() + 100));
}

TEST(Views, EqualPagesLookDifferentAndEachVmHasItsKey) {
  auto one = make(PageState::private_), two = make(PageState::private_);
  Bytes a(kPageSize), b(kPageSize), other(kPageSize);
  ASSERT_TRUE(one->read_host_view(0, a).ok());
  ASSERT_TRUE(one->read_host_view(kPageSize, b).ok());
  ASSERT_TRUE(two->read_host_view(0, other).ok());
  EXPECT_NE(a, b);
  EXPECT_NE(a, other);
}

TEST(Views, PatternsAreFoundAcrossPagesAndWindows) {
  auto memory = GuestMemory::create({{GuestAddress{0}, 3 << 20}}, PageState::shared);
  ASSERT_TRUE(memory.ok());
  Bytes pattern = text("pattern!");
  for (uint64_t at : {uint64_t{0}, kPageSize - 3, uint64_t{(1 << 20) - 4}, uint64_t{(2 << 20) - 1},
                      uint64_t{(3 << 20) - 8}}) {
    ASSERT_TRUE((*memory)->load({at}, pattern).ok());
  }
  EXPECT_EQ(*(*memory)->count_raw(pattern), 5u);
  EXPECT_EQ(*(*memory)->count_host_view(pattern), 5u);
  ASSERT_TRUE((*memory)->load({500'000}, text("aaaa")).ok());
  EXPECT_EQ(*(*memory)->count_raw(text("aa")), 3u) << "overlapping occurrences count each";
  EXPECT_EQ((*memory)->count_raw({}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ((*memory)->count_raw(Bytes(kMaxPatternBytes + 1)).error().code,
            ErrorCode::invalid_argument);
}

constexpr uint64_t kHugeRam = 4 * kLargePageSize + kPageSize;

void expect_usable(GuestMemory& memory) {
  EXPECT_EQ(memory.size(), kHugeRam);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.host_address(0)) % kLargePageSize, 0u);
  for (uint64_t at : {uint64_t{0}, kHugeRam - 1}) {
    EXPECT_TRUE(memory.write({at}, Bytes{7}).ok());
    EXPECT_EQ(*memory.read_object<uint8_t>({at}), 7);
  }
}

// Guest addresses of regions are multiples of 2 MiB, and so must their places here be.
TEST(Backing, TransparentHugePagesAreAligned) {
  auto memory =
      GuestMemory::create({{GuestAddress{0}, kHugeRam}}, PageState::shared, Backing::transparent);
  ASSERT_TRUE(memory.ok());
  expect_usable(**memory);
  ASSERT_TRUE((*memory)->discard({0, {0}, kPageSize}).ok());
  EXPECT_EQ(*(*memory)->read_object<uint8_t>({0}), 0);
}

uint64_t free_huge_pages() {
  uint64_t pages = 0;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") >> pages;
  return pages;
}

TEST(Backing, ReservedPagesComeFromThePool) {
  if (free_huge_pages() < 5) GTEST_SKIP() << "fewer than 5 free huge pages in this host's pool";
  uint64_t before = free_huge_pages();
  auto memory =
      GuestMemory::create({{GuestAddress{0}, kHugeRam}}, PageState::shared, Backing::reserved);
  ASSERT_TRUE(memory.ok()) << memory.error().describe();
  expect_usable(**memory);
  EXPECT_EQ(free_huge_pages(), before - 2) << "as touched; the rest is only reserved";
  ASSERT_TRUE((*memory)->discard({0, {0}, kPageSize}).ok());
  EXPECT_EQ(*(*memory)->read_object<uint8_t>({0}), 7) << "the pool's pages stay";
}

TEST(Backing, APoolThatIsTooSmallIsAnErrorThatSaysSo) {
  uint64_t too_much = (free_huge_pages() + 64) * kLargePageSize;
  auto memory =
      GuestMemory::create({{GuestAddress{0}, too_much}}, PageState::shared, Backing::reserved);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.error().code, ErrorCode::resource_exhausted);
  EXPECT_NE(memory.error().message.find("nr_hugepages"), std::string::npos);
}

// 256 GiB, the most that a machine may have, cost 8 MiB of bookkeeping; a change names ranges.
TEST(GuestMemory, BookkeepingOfLargeGuestsIsSmall) {
  auto memory = GuestMemory::create(
      plan::boot::ram_regions(256 * kGiB, guest_abi::StubPlatform::none), PageState::private_);
  ASSERT_TRUE(memory.ok());
  EXPECT_LE((*memory)->bookkeeping_bytes(), 8u << 20);
  (*memory)->set_state({5 * kGiB}, 200 * kGiB / kPageSize, PageState::shared);
  EXPECT_EQ((*memory)->shared_pages(), 200 * kGiB / kPageSize);
  EXPECT_TRUE((*memory)->window({5 * kGiB}, 200 * kGiB).ok());
  EXPECT_EQ((*memory)->ram_in({0}, UINT64_MAX).size(), 2u);
}

TEST(Views, OffsetsAreChecked) {
  auto memory = make(PageState::shared);
  Bytes buffer(16);
  EXPECT_TRUE(memory->read_raw(kLow + kHigh - 16, buffer).ok());
  EXPECT_FALSE(memory->read_raw(kLow + kHigh - 15, buffer).ok());
  EXPECT_FALSE(memory->read_host_view(UINT64_MAX, buffer).ok());
}

}  // namespace
}  // namespace bartizan::vmm::memory
