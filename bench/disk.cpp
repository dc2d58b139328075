// disk_bench ENGINE DEPTH REQUESTS: reads of 4 KiB from a file in memory through a virtio disk, by
// "threads" or by a "ring", DEPTH of them offered at a time. Prints requests a second, and interrupts for each (a machine's are one
// system call).
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fakes/guest_driver.hpp"
#include "vmm/virtio/block/device.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

constexpr uint64_t kDiskBytes = 64 * 1024 * 1024;
constexpr uint32_t kReadBytes = 4096;

Bytes read_of(uint64_t number) {
  Bytes header(16);
  store_le<uint64_t>(&header[8], number * 7919 % (kDiskBytes / kReadBytes) * (kReadBytes / 512));
  return header;
}

bool take_all(fakes::GuestDriver& guest, uint32_t depth) {
  for (uint32_t taken = 0; taken < depth; ++taken) {
    auto used = guest.wait(0);
    if (!used || used->written != kReadBytes + 1) return false;
  }
  return true;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  const bool ring = std::strcmp(words[1], "ring") == 0;
  const auto depth = static_cast<uint32_t>(std::atoi(words[2]));
  const auto requests = static_cast<uint32_t>(std::atoi(words[3]));
  if (depth == 0 || depth > 32) return 2;
  fakes::GuestDriver guest({.queue_size = 128}, [&](EventLoop&) {
    UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
    if (::ftruncate(file.get(), kDiskBytes) != 0) std::abort();
    using vmm::virtio::BlockEngine;
    return vmm::virtio::BlockDevice::create(
               {.file = std::move(file),
                .size = kDiskBytes,
                .serial = "disk",
                .engine = ring ? BlockEngine::ring : BlockEngine::threads})
        .value();
  });
  if (!guest.start()) return 1;
  const auto start = std::chrono::steady_clock::now();
  uint64_t number = 0;
  while (number < requests) {
    for (uint32_t i = 0; i < depth; ++i)
      guest.queue(0).make_available({read_of(number++)}, {kReadBytes, 1});
    if (guest.queue(0).must_notify()) guest.notify(0);
    if (!take_all(guest, depth)) return 1;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.0f %.2f\n", static_cast<double>(number) / seconds.count(),
              static_cast<double>(guest.interrupt().count()) / static_cast<double>(number));
  return 0;
}
