// A machine whose threads are confined: all of them, and it works.
#include <filesystem>
#include <future>
#include <set>

#include "base/errors.hpp"
#include "fake_kvm/session_support.hpp"
#include "vmm/harden/file_access.hpp"

namespace bartizan::vmm::machine {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::set<std::string> tasks() {
  std::set<std::string> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    found.insert(task.path());
  return found;
}

std::string status_of(const std::string& task) {
  std::ifstream file(task + "/status");
  return {std::istreambuf_iterator<char>(file), {}};
}

class ConfinedMachine : public SessionTest {
 protected:
  void SetUp() override {
    if (!harden::make_file_access({}).ok())
      GTEST_SKIP() << "no Landlock in this kernel, or not in this container";
    std::vector<std::string> missing;
    setups_ = harden::confine(Hardening::required,
                              {.network = true, .quotes = false, .readable = {}}, &missing)
                  .value();
    plan_.tee = Tee::none;
  }
  uint8_t* ram(uint64_t at) {
    return reinterpret_cast<uint8_t*>(kvm_->slots.at(0).userspace_addr) + at;
  }
  // Offers a chain of one request: a header to read, `size` bytes to be written, and a status.
  void offer_request(uint32_t size) {
    const uint64_t addresses[] = {kBuffers, kBuffers + 0x1000, kBuffers + 0x2000};
    const uint32_t lengths[] = {16, size, 1};
    const uint16_t flags[] = {1, 3, 2};
    for (uint16_t i = 0; i < 3; ++i) {
      uint8_t* descriptor = ram(kDescriptors + 16u * i);
      store_le<uint64_t>(descriptor, addresses[i]);
      store_le<uint32_t>(descriptor + 8, lengths[i]);
      store_le<uint16_t>(descriptor + 12, flags[i]);
      store_le<uint16_t>(descriptor + 14, static_cast<uint16_t>(i + 1));
    }
    *ram(kBuffers + 0x2000) = 0xff;
    store_le<uint16_t>(ram(kAvailable + 2), 1);
  }
  bool used_one() {
    for (int i = 0; i < 2000; ++i, std::this_thread::sleep_for(5ms)) {
      auto* index = reinterpret_cast<uint16_t*>(ram(kUsed + 2));
      if (std::atomic_ref<uint16_t>(*index).load() == 1) return true;
    }
    return false;
  }
};

TEST_F(ConfinedMachine, NoThreadIsForgotten) {
  const auto before = tasks();
  auto session = start(2);
  ASSERT_TRUE(session.ok()) << session.error().describe();
  size_t ours = 0;
  for (const std::string& task : tasks()) {
    if (before.contains(task)) continue;
    ++ours;
    EXPECT_THAT(status_of(task), HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(status_of(task), HasSubstr("Seccomp:\t2"));
  }
  EXPECT_EQ(ours, 6u) << "two vCPUs, two loops, a thread of each disk";
}

// The thread sanitizer does not know that a guest and its devices share memory without locks.
#if !defined(__SANITIZE_THREAD__)
// A disk is read by threads that the device loop starts; the device loop asks for random bytes.
class ConfinedDevice : public ConfinedMachine, public ::testing::WithParamInterface<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Slots, ConfinedDevice, ::testing::Values(kDiskSlot, kRngSlot));

TEST_P(ConfinedDevice, Serves) {
  bool served = false;
  auto& script = kvm_->scripts[0];
  script = drive(GetParam());
  script.push_back([&](kvm_run& run) {
    offer_request(512);
    return mmio32(device_at(GetParam()) + 0x50, 0)(run);
  });
  script.push_back([&](kvm_run& run) {
    served = used_one();
    return out32(0x0b04, 42)(run);
  });
  script.push_back(triple_fault);
  auto session = start();
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto reason = (*session)->wait(60s);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->describe(), "exited with status 42");
  EXPECT_TRUE(served);
  if (GetParam() == kDiskSlot) {
    EXPECT_EQ(*ram(kBuffers + 0x2000), 0) << "the request's status";
  }
}
#endif

// A thread that cannot be set up does not run, and neither does the machine.
TEST_F(ConfinedMachine, AThreadThatCannotBeConfinedEndsTheStart) {
  auto fails = [] { return Result<void>(make_error(ErrorCode::unsupported, "test", "no filter")); };
  for (harden::Setups setups : {harden::Setups{fails, {}}, harden::Setups{{}, fails}}) {
    renew();
    plan_.tee = Tee::none;
    setups_ = setups;
    auto session = start(2);
    ASSERT_FALSE(session.ok());
    EXPECT_THAT(session.error().message, HasSubstr("no filter"));
    EXPECT_FALSE(exit_readable()) << "nothing was started that could end";
  }
}

}  // namespace
}  // namespace bartizan::vmm::machine
