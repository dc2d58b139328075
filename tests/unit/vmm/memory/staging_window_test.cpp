// The staging window: what is loaded, and that its memory goes back.
#include "vmm/memory/staging_window.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "base/units.hpp"

namespace bartizan::vmm::memory {
namespace {

constexpr GuestAddress kBase{0xd100'0000};
constexpr uint64_t kSize = 8 * kPageSize;

TEST(StagingWindow, HoldsWhatIsLoadedAndZerosElse) {
  auto window = StagingWindow::create(kBase, kSize).value();
  ASSERT_TRUE(window->load(kBase + kPageSize, Bytes(5000, 7)).ok());
  EXPECT_EQ(window->host_address()[0], 0);
  EXPECT_EQ(window->host_address()[kPageSize], 7);
  EXPECT_EQ(window->host_address()[kPageSize + 4999], 7);
  EXPECT_EQ(window->host_address()[kPageSize + 5000], 0);
}

TEST(StagingWindow, RefusesWhatLiesOutside) {
  auto window = StagingWindow::create(kBase, kSize).value();
  EXPECT_TRUE(window->load(kBase + kSize, {}).ok());
  EXPECT_TRUE(window->load(kBase + (kSize - 1), Bytes(1)).ok());
  for (auto [at, size] : {std::pair<uint64_t, size_t>{kBase.value - 1, 1},
                          {kBase.value + kSize - 1, 2},
                          {kBase.value + kSize, 1},
                          {0, 1},
                          {UINT64_MAX, 2}}) {
    EXPECT_EQ(window->load({at}, Bytes(size)).error().code, ErrorCode::invalid_argument) << at;
  }
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, kPageSize + 1}) {
    EXPECT_EQ(StagingWindow::create(kBase, size).error().code, ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(StagingWindow::create({1}, kSize).ok());
}

TEST(StagingWindow, GivesItsMemoryBack) {
  auto window = StagingWindow::create(kBase, kSize).value();
  ASSERT_TRUE(window->load(kBase, Bytes(kSize, 7)).ok());
  auto resident = [&] {
    unsigned char pages[kSize / kPageSize] = {};
    EXPECT_EQ(::mincore(window->host_address(), kSize, pages), 0);
    size_t count = 0;
    for (unsigned char page : pages) count += page & 1;
    return count;
  };
  EXPECT_EQ(resident(), kSize / kPageSize);
  window->give_back();
  EXPECT_EQ(resident(), 0u);
  EXPECT_EQ(window->host_address()[100], 0);
}

}  // namespace
}  // namespace bartizan::vmm::memory
