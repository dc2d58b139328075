// The workload's output, for a caller who may stop reading it.
#include "vmm/machine/workload_output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

namespace bartizan::vmm::machine {
namespace {

TEST(Output, AReaderThatStopsReadingCostsOneSecondOnce) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd read_end(ends[0]);
  WorkloadOutput output{UniqueFd(ends[1])};
  auto start = std::chrono::steady_clock::now();
  Bytes piece(4096, 'x');
  for (int i = 0; i < 64; ++i) output.write(piece);  // a pipe holds 64 KiB
  EXPECT_EQ(output.dropped(), 64u * 4096 - 65536);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  Bytes drain(65536);
  ASSERT_EQ(::read(read_end.get(), drain.data(), drain.size()), 65536);
  uint64_t before = output.dropped();
  output.write(piece);
  EXPECT_EQ(output.dropped(), before) << "space again";
}

}  // namespace
}  // namespace bartizan::vmm::machine
