// What the stub asks of the processor on each platform, in order, and how each refusal reaches the
// host.
#include <gtest/gtest.h>

#include <openssl/sha.h>

#include <cstring>

#include "base/bytes.hpp"
#include "guest/stub/refusal.hpp"
#include "guest_abi/boot_stages.hpp"
#include "unit/guest/stub/launch.hpp"

namespace bartizan::guest::stub {
namespace {

using namespace test;  // NOLINT
using guest_abi::StubPlatform;
using guest_abi::StubRefusal;
using platform::Validation;

constexpr uint64_t kCr3 = guest_abi::kStubPageTables | 1ull << test::kBit;

class StubSequence : public testing::Test {
 protected:
  test::Ended run(StubPlatform platform) {
    test::prepare(&machine_, platform);
    return machine_.run();
  }
  // Runs as prepared; the number that the host was told.
  int refused() {
    test::Ended ended = machine_.run();
    const std::string& last = machine_.calls.back();
    unsigned number = 0;
    switch (platform_of(machine_.table())) {
      case StubPlatform::none:
      case StubPlatform::simulated:
      case StubPlatform::sev:
        EXPECT_EQ(ended.how, "triple fault");
        EXPECT_EQ(sscanf(last.c_str(), "out b04 2%x", &number), 1) << last;
        return static_cast<int>(number >> 8);
      case StubPlatform::sev_es:
      case StubPlatform::snp:
        EXPECT_EQ(ended.how, "halt");
        EXPECT_EQ(last, "vmgexit");
        EXPECT_EQ(machine_.ghcb_msr & 0xffff, 0xb100u);
        return static_cast<int>(machine_.ghcb_msr >> 16);
      case StubPlatform::tdx:
        EXPECT_EQ(ended.how, "fatal error");
        EXPECT_EQ(sscanf(last.c_str(), "vmcall 10003 b0%x, mask 3c00", &number), 1) << last;
        return static_cast<int>(number);
    }
    return 0;
  }
  int refused(StubPlatform platform) {
    test::prepare(&machine_, platform);
    return refused();
  }
  size_t count(std::string_view call) {
    return static_cast<size_t>(std::count(machine_.calls.begin(), machine_.calls.end(), call));
  }

  test::PlatformDouble machine_;
};

int number(StubRefusal why) {
  return static_cast<int>(why);
}

TEST_F(StubSequence, None) {
  test::Ended ended = run(StubPlatform::none);
  EXPECT_EQ(ended.how, "kernel");
  EXPECT_EQ(ended.entry, test::kKernelEntry);
  EXPECT_EQ(ended.boot_params, 0x7000u);
  EXPECT_EQ(machine_.sequence(), "cpuid 0\ncpuid 7\ncr3 58000");
}

TEST_F(StubSequence, SimulatedAndSev) {
  for (StubPlatform platform : {StubPlatform::simulated, StubPlatform::sev}) {
    machine_.calls.clear();
    EXPECT_EQ(run(platform).how, "kernel");
    EXPECT_EQ(machine_.sequence(),
              "rdmsr c0010131\ncpuid 80000000\ncpuid 8000001f\ncpuid 0\ncpuid 7\ncr3 800000058000");
  }
}

TEST_F(StubSequence, SevEs) {
  EXPECT_EQ(run(StubPlatform::sev_es).how, "kernel");
  EXPECT_EQ(machine_.sequence(),
            "rdmsr c0010131\n"
            "ghcb 8000001f40000004\nvmgexit\nrdmsr c0010130\n"
            "ghcb 740000004\nvmgexit\nrdmsr c0010130\n"
            "ghcb 2\nvmgexit\nrdmsr c0010130\n"
            "ghcb d1000000\nvmgexit\nghcb exit 80000005 0 56000, version 2, valid 1c\n"
            "cr3 800000058000");
}

TEST_F(StubSequence, SevEsAlone) {
  test::prepare(&machine_, StubPlatform::sev_es);
  machine_.table().vcpus = 1;
  EXPECT_EQ(machine_.run().how, "kernel");
  EXPECT_EQ(count("ghcb d1000000"), 0u);
}

// The rest of a range is small pages; the window moves once, at 6 GiB, and is shut.
std::string ranges_in_large_pages(const char* small, const char* large, bool window) {
  std::string text;
  auto add = [&](uint64_t address, bool is_large) {
    char line[64];
    snprintf(line, sizeof line, is_large ? large : small, address | (is_large && !window ? 1 : 0));
    text += std::string(line) + "\n";
  };
  add(0, false);
  for (uint64_t page = 0x100000; page < 0x200000; page += 4096) add(page, false);
  add(0x200000, true);
  add(0x400000, true);
  add(0x600000, false);
  for (uint64_t page = 0x1000000; page < 0x3000000; page += 2 << 20) add(page, true);
  if (!window) {
    add(0x17fe00000, true);
    add(0x180000000, true);
    return text;
  }
  text += "cr3 800000058000\n";
  add((1ull << 39) + 0x3fe00000, true);
  text += "cr3 800000058000\n";
  add(1ull << 39, true);
  return text + "cr3 800000058000\n";
}

TEST_F(StubSequence, Snp) {
  EXPECT_EQ(run(StubPlatform::snp).how, "kernel");
  EXPECT_EQ(machine_.sequence(),
            "rdmsr c0010131\n" +
                ranges_in_large_pages("pvalidate %lx", "pvalidate %lx large", true) +
                "cr3 800000058000");
}

TEST_F(StubSequence, Tdx) {
  EXPECT_EQ(run(StubPlatform::tdx).how, "kernel");
  EXPECT_EQ(machine_.sequence(),
            "tdcall 1 0 0\ncpuid 0\ncpuid 7\n" +
                ranges_in_large_pages("tdcall 6 %lx 0", "tdcall 6 %lx 0", false) +
                "tdcall 2 0 1\ntdcall 2 0 2\ntdcall 2 0 2\ntdcall 2 0 0\ntdcall 2 0 0\ncr3 58000");
}

TEST_F(StubSequence, WindowMapsPrivatePages) {
  test::prepare(&machine_, StubPlatform::snp);
  std::vector<uint64_t> first, last;
  machine_.validate = [&](uint64_t address, bool) {
    if (address >> 39 == 1) {
      uint64_t directory[512], pointer, top;
      std::memcpy(directory, machine_.at(0x5f000), sizeof directory);
      std::memcpy(&pointer, machine_.at(0x5e000), 8);
      std::memcpy(&top, machine_.at(0x58008), 8);
      EXPECT_EQ(top, 0x5e000 | 0x23 | 1ull << test::kBit);
      EXPECT_EQ(pointer, 0x5f000 | 0x23 | 1ull << test::kBit);
      first.push_back(directory[0]);
      last.push_back(directory[511]);
    }
    return Validation{0, false};
  };
  EXPECT_EQ(machine_.run().how, "kernel");
  uint64_t flags = 0xe3 | 1ull << test::kBit;
  EXPECT_EQ(first, (std::vector<uint64_t>{0x140000000 | flags, 0x180000000 | flags}));
  EXPECT_EQ(last, (std::vector<uint64_t>{0x17fe00000 | flags, 0x1bfe00000 | flags}));
  EXPECT_EQ(*machine_.at(0x58008), 0);
}

TEST_F(StubSequence, SmallPagesWhereTheHostHasNoLargeOnes) {
  test::prepare(&machine_, StubPlatform::snp);
  machine_.validate = [](uint64_t, bool large) { return Validation{large ? 6u : 0u, false}; };
  EXPECT_EQ(machine_.run().how, "kernel");
  size_t small = 0, large = 0;
  for (const std::string& call : machine_.calls) {
    if (!call.starts_with("pvalidate")) continue;
    (call.ends_with("large") ? large : small)++;
  }
  EXPECT_EQ(large, 2u + 16 + 2);
  EXPECT_EQ(small, 1u + 0x100 + 2 * 512 + 1 + 16 * 512 + 1024);
}

TEST_F(StubSequence, SmallAcceptsWhereTheHostHasNoLargePages) {
  test::prepare(&machine_, StubPlatform::tdx);
  size_t small = 0;
  machine_.tdx = [&](uint64_t leaf, uint64_t rcx, uint64_t) {
    if (leaf == 6 && (rcx & 1) != 0) return 0xc0000b0b00000001;
    small += leaf == 6;
    return 0ul;
  };
  EXPECT_EQ(machine_.run().how, "kernel");
  EXPECT_EQ(small, 1u + 0x100 + 2 * 512 + 1 + 16 * 512 + 1024);
}

// Page by page, wherever it is: in a large page, a small one, a small one of a large page that is
// none, above 4 GiB.
TEST_F(StubSequence, ValidatedBefore) {
  for (bool host_has_large : {true, false}) {
    for (uint64_t page : {0x0ull, 0x180000ull, 0x200000ull, 0x600000ull, 1ull << 39}) {
      machine_.validate = [=](uint64_t address, bool large) {
        if (large && !host_has_large) return Validation{6, false};
        return Validation{0, address == page};
      };
      EXPECT_EQ(refused(StubPlatform::snp), number(StubRefusal::validated)) << page;
    }
    for (uint64_t page : {0x0ull, 0x180000ull, 0x200000ull, 0x600000ull, 0x180000000ull}) {
      machine_.tdx = [=](uint64_t leaf, uint64_t rcx, uint64_t) {
        if (leaf != 6) return 0ull;
        if ((rcx & 1) != 0 && !host_has_large) return 0xc0000b0b00000001ull;
        return (rcx & ~1ull) == page ? 0x00000b0a00000001ull : 0ull;
      };
      EXPECT_EQ(refused(StubPlatform::tdx), number(StubRefusal::validated)) << page;
    }
  }
}

TEST_F(StubSequence, OtherFailuresOfPages) {
  for (uint32_t result : {1u, 6u, 255u}) {
    for (uint64_t page : {0x0ull, 0x600000ull}) {
      machine_.validate = [=](uint64_t address, bool) {
        return Validation{address == page ? result : 0, false};
      };
      EXPECT_EQ(refused(StubPlatform::snp), number(StubRefusal::memory));
    }
  }
  machine_.validate = [](uint64_t, bool large) { return Validation{large ? 1u : 0u, false}; };
  EXPECT_EQ(refused(StubPlatform::snp), number(StubRefusal::memory));
  for (uint64_t status : {0xc000010000000001, 0xc0000b0b00000001, 0x8000000000000000}) {
    machine_.tdx = [=](uint64_t leaf, uint64_t rcx, uint64_t) {
      return leaf == 6 && rcx == 0x600000 ? status : 0;
    };
    EXPECT_EQ(refused(StubPlatform::tdx), number(StubRefusal::memory));
  }
}

TEST_F(StubSequence, BusyIsTriedAgainAndGivenUp) {
  test::prepare(&machine_, StubPlatform::tdx);
  int busy = 0;
  machine_.tdx = [&](uint64_t leaf, uint64_t, uint64_t) {
    return (leaf == 6 || leaf == 2) && busy++ % 3 != 2 ? 0x8000020000000001 : 0;
  };
  EXPECT_EQ(machine_.run().how, "kernel");
  machine_.tdx = [&](uint64_t leaf, uint64_t, uint64_t) {
    return leaf == 6 ? 0x8000020000000001 : 0;
  };
  EXPECT_EQ(refused(StubPlatform::tdx), number(StubRefusal::memory));
  EXPECT_GT(machine_.calls.size(), 1000u);
}

TEST_F(StubSequence, RtmrIsExtendedFromAnAlignedBuffer) {
  test::prepare(&machine_, StubPlatform::tdx);
  std::vector<std::pair<uint64_t, std::string>> extended;
  machine_.tdx = [&](uint64_t leaf, uint64_t rcx, uint64_t rdx) {
    if (leaf == 2) {
      EXPECT_EQ(rcx % 64, 0u);
      extended.push_back({rdx, std::string(reinterpret_cast<const char*>(rcx), 48)});
    }
    return 0;
  };
  EXPECT_EQ(machine_.run().how, "kernel");
  uint64_t rtmrs[] = {1, 2, 2, 0, 0};
  ASSERT_EQ(extended.size(), 5u);
  for (int i = 0; i < 5; i++) {
    std::string digest(reinterpret_cast<const char*>(machine_.table().blobs[i].sha256), 32);
    EXPECT_EQ(extended[i], std::pair(rtmrs[i], digest + std::string(16, '\0')));
  }
}

TEST_F(StubSequence, RtmrFailure) {
  machine_.tdx = [](uint64_t leaf, uint64_t, uint64_t) {
    return leaf == 2 ? 0xc000010000000001 : 0;
  };
  EXPECT_EQ(refused(StubPlatform::tdx), number(StubRefusal::rtmr));
}

TEST_F(StubSequence, EachBlobIsRefusedByName) {
  constexpr StubRefusal kNames[] = {StubRefusal::kernel, StubRefusal::initrd,
                                    StubRefusal::command_line, StubRefusal::boot_params,
                                    StubRefusal::acpi};
  for (uint32_t platform = 0; platform <= 5; platform++) {
    for (int place = test::kKernel; place <= test::kAcpi; place++) {
      test::prepare(&machine_, StubPlatform{platform});
      const guest_abi::StubBlob& blob = machine_.table().blobs[place];
      uint64_t at = blob.source != 0 ? blob.source : blob.destination;
      machine_.at(at)[blob.size - 1] ^= 0x80;
      EXPECT_EQ(refused(), number(kNames[place])) << platform;
    }
  }
}

// The firmware writes a secret where the host says. What surrounds its place is a cpio archive's
// header and trailer, which the kernel parses.
TEST_F(StubSequence, LaunchSecretHasOnePlace) {
  constexpr uint64_t kPage = 0x1fff000, kPlace = 128, kBytes = 3840;
  for (uint64_t written : {uint64_t{0}, uint64_t{80}, kPlace - 16, kPlace, kPlace + 1600,
                           kPlace + kBytes - 16, kPlace + kBytes, uint64_t{4080}}) {
    test::prepare(&machine_, StubPlatform::sev);
    Bytes page(4096, 0x5e);
    std::fill_n(page.begin() + kPlace, kBytes, 0);
    guest_abi::StubBlob& blob = machine_.table().blobs[machine_.table().blob_count++];
    blob = {6, 0, 0, kPage, 4096, {}};
    SHA256(page.data(), page.size(), blob.sha256);
    std::memset(&page[written], 0xa5, 16);
    std::memcpy(machine_.at(kPage), page.data(), page.size());
    if (written >= kPlace && written < kPlace + kBytes) {
      EXPECT_EQ(machine_.run().how, "kernel") << written;
      EXPECT_EQ(*machine_.at(kPage + written), 0xa5) << "the stub leaves the secret alone";
    } else {
      EXPECT_EQ(refused(), number(StubRefusal::launch_secret)) << written;
    }
  }
}

TEST_F(StubSequence, TheRestOfTheLastPageIsCleared) {
  test::prepare(&machine_, StubPlatform::none);
  const guest_abi::StubBlob& kernel = machine_.table().blobs[test::kKernel];
  std::memset(machine_.at(kernel.destination), 0x55, 20 * 4096);
  std::memset(machine_.at(0), 0x55, 2 * 4096);
  EXPECT_EQ(machine_.run().how, "kernel");
  EXPECT_EQ(*machine_.at(kernel.destination + kernel.size), 0);
  EXPECT_EQ(*machine_.at(kernel.destination + 18 * 4096 - 1), 0);
  EXPECT_EQ(*machine_.at(kernel.destination + 18 * 4096), 0x55);
  EXPECT_EQ(*machine_.at(0) | *machine_.at(4095), 0);
  EXPECT_EQ(*machine_.at(4096), 0x55);
}

TEST_F(StubSequence, ZeroPageOutsideTheRangesIsNotTouched) {
  test::prepare(&machine_, StubPlatform::snp);
  machine_.table().ranges[0] = {0x1000, 1};
  *machine_.at(5) = 0x55;
  EXPECT_EQ(machine_.run().how, "kernel");
  EXPECT_EQ(*machine_.at(5), 0x55);
}

TEST_F(StubSequence, OtherPlatform) {
  for (StubPlatform platform :
       {StubPlatform::simulated, StubPlatform::sev, StubPlatform::sev_es, StubPlatform::snp}) {
    test::prepare(&machine_, platform);
    uint64_t right = machine_.sev_status;
    for (uint64_t status : {0, 1, 3, 7}) {
      if (status == right) continue;
      test::prepare(&machine_, platform);
      machine_.sev_status = status;
      EXPECT_EQ(refused(), number(StubRefusal::platform));
    }
  }
  test::prepare(&machine_, StubPlatform::tdx);
  machine_.tdx = [](uint64_t leaf, uint64_t, uint64_t) {
    return leaf == 1 ? 0xc000010000000000 : 0;
  };
  EXPECT_EQ(refused(), number(StubRefusal::platform));
}

TEST_F(StubSequence, AddressBitElsewhere) {
  for (uint32_t platform = 1; platform <= 5; platform++) {
    test::prepare(&machine_, StubPlatform{platform});
    machine_.tdx_address_bits = 52;
    machine_.table().address_bit = 50;
    EXPECT_EQ(refused(), number(StubRefusal::address_bit));
  }
}

TEST_F(StubSequence, CpuidPageWithoutTheLeaf) {
  test::prepare(&machine_, StubPlatform::snp);
  *machine_.at(guest_abi::kSnpCpuidAddress) = 1;
  EXPECT_EQ(refused(), number(StubRefusal::address_bit));
}

TEST_F(StubSequence, ApJumpTableNotTaken) {
  machine_.jump_table_error = 2;
  EXPECT_EQ(refused(StubPlatform::sev_es), number(StubRefusal::ap_jump_table));
  machine_.jump_table_error = 0;
  for (uint64_t versions : {0x0004'0003, 0x0000'0000}) {
    machine_.ghcb_versions = versions;
    EXPECT_EQ(refused(StubPlatform::sev_es), number(StubRefusal::ap_jump_table));
  }
}

TEST_F(StubSequence, BadTableBeforeAnythingElse) {
  for (uint32_t platform = 0; platform <= 5; platform++) {
    machine_.calls.clear();
    test::prepare(&machine_, StubPlatform{platform});
    machine_.table().vcpus = 0;
    EXPECT_EQ(refused(), number(StubRefusal::table));
    EXPECT_LE(machine_.calls.size(), 2u);
  }
  machine_.calls.clear();
  machine_.table().platform = 77;
  EXPECT_EQ(machine_.run().how, "triple fault");
  EXPECT_EQ(machine_.sequence(), "");
}

TEST_F(StubSequence, ExitPortIsTheControlDevices) {
  machine_.table().magic = 0;
  machine_.run();
  EXPECT_EQ(machine_.calls.back(), "out b04 2000100");
  EXPECT_EQ(guest_abi::kExitPort, 0xb04);
}

}  // namespace
}  // namespace bartizan::guest::stub
