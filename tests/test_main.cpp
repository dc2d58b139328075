// main() of every GoogleTest program: after the tests it fails the run if they left file descriptors or threads.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
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
  void OnTestEnd(const ::testing::TestInfo& test) override {
    size_t descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    if (descriptors > descriptors_ || threads > threads_) {
      std::cerr << test.test_suite_name() << "." << test.name() << ": left " << descriptors - descriptors_
                << " descriptors, " << threads - threads_ << " threads\n";
      ADD_FAILURE() << "leak";
    }
  }
  size_t descriptors_ = 0, threads_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  std::thread([] {}).join();  // with the first thread the thread sanitizer starts one of its own, which stays
  ::testing::UnitTest::GetInstance()->listeners().Append(new LeakCheck);
  return RUN_ALL_TESTS();
}
