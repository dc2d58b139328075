// main() of every GoogleTest program: after the tests it fails the run if they left file
// descriptors or threads.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

namespace {

size_t entries(const char* folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

class LeakCheck : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    descriptors_ = entries("/proc/self/fd");
    threads_ = entries("/proc/self/task");
  }
  void OnTestEnd(const ::testing::TestInfo&) override {
    size_t descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    // A join returns when the kernel clears the thread's id, which on a loaded machine is well
    // before the task leaves /proc: what was joined goes away by itself, what leaked does not.
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (threads > threads_ && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      threads = entries("/proc/self/task");
    }
    if (descriptors > descriptors_ || threads > threads_) {
      ADD_FAILURE() << "leak: descriptors " << descriptors_ << " before, " << descriptors
                    << " after; threads " << threads_ << " before, " << threads << " after";
    }
  }
  size_t descriptors_ = 0, threads_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  // with the first thread the thread sanitizer starts one of its own, which stays
  std::thread([] {}).join();
  ::testing::UnitTest::GetInstance()->listeners().Append(new LeakCheck);
  return RUN_ALL_TESTS();
}
