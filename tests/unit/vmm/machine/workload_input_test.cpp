#include "vmm/machine/workload_input.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>

#include <future>
#include <thread>

#include "base/file.hpp"

namespace bartizan::vmm::machine {
namespace {

class InputTest : public testing::Test {
 protected:
  void serve(UniqueFd fd) {
    input_ = std::make_unique<WorkloadInput>(*loop_, std::move(fd));
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    loop_->stop();
    if (thread_.joinable()) thread_.join();
  }
  // As the vsock device does: on the loop's thread.
  UniqueFd open() {
    std::promise<UniqueFd> opened;
    loop_->post([&] { opened.set_value(input_->open().value()); });
    UniqueFd stream = opened.get_future().get();
    ::fcntl(stream.get(), F_SETFL, 0);  // tests wait
    return stream;
  }
  static std::string rest_of(const UniqueFd& stream) {
    std::string all;
    char piece[4096];
    for (ssize_t count; (count = ::read(stream.get(), piece, sizeof piece)) > 0;)
      all.append(piece, static_cast<size_t>(count));
    return all;
  }
  UniqueFd pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    writer_.reset(ends[1]);
    return UniqueFd(ends[0]);
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  std::unique_ptr<WorkloadInput> input_;  // dies before its loop
  UniqueFd writer_;
  std::thread thread_;
};

TEST_F(InputTest, PipeIsCarriedUntilItsEnd) {
  serve(pipe());
  UniqueFd stream = open();
  char text[5];
  for (const char* part : {"hello", "again"}) {
    ASSERT_TRUE(write_all(writer_.get(), as_bytes(part), "pipe").ok());
    ASSERT_EQ(::read(stream.get(), text, sizeof text), 5);
    EXPECT_EQ(std::string(text, 5), part);
  }
  writer_.reset();
  EXPECT_EQ(rest_of(stream), "");
}

// The caller goes on holding its descriptor: its end must come from what was read.
TEST_F(InputTest, FileOfTheCallerIsCarriedWhole) {
  UniqueFd file = unnamed_file(std::filesystem::temp_directory_path()).value();
  std::string sent(3'000'000, 'x');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * i >> 7);
  write_exactly(file.get(), as_bytes(sent), 0, "file").value();
  serve(UniqueFd(::dup(file.get())));
  EXPECT_TRUE(rest_of(open()) == sent);
}

TEST_F(InputTest, NoDescriptorHasEnded) {
  serve({});
  EXPECT_FALSE(input_->is_terminal());
  EXPECT_EQ(rest_of(open()), "");
  EXPECT_EQ(rest_of(open()), "");
}

TEST_F(InputTest, GuestThatOpensItAgainGetsNothing) {
  serve(pipe());
  UniqueFd first = open();
  EXPECT_EQ(rest_of(open()), "");
  ASSERT_TRUE(write_all(writer_.get(), as_bytes("for the first"), "pipe").ok());
  writer_.reset();
  EXPECT_EQ(rest_of(first), "for the first");
}

TEST_F(InputTest, GuestThatHangsUpEndsTheCallersPipe) {
  serve(pipe());
  open();
  auto before = ::signal(SIGPIPE, SIG_IGN);
  Bytes piece(4096);
  while (::write(writer_.get(), piece.data(), piece.size()) > 0) {
  }
  EXPECT_EQ(errno, EPIPE);
  ::signal(SIGPIPE, before);
}

TEST_F(InputTest, TerminalIsTakenOnce) {
  int host = -1, guest = -1;
  ASSERT_EQ(::openpty(&host, &guest, nullptr, nullptr, nullptr), 0);
  UniqueFd other(host);
  serve(UniqueFd(guest));
  EXPECT_TRUE(input_->is_terminal());
  EXPECT_TRUE(input_->take_terminal().valid());
  EXPECT_FALSE(input_->take_terminal().valid());
}

}  // namespace
}  // namespace bartizan::vmm::machine
