// The caller's standard streams, as the guest's end of each connection sees them.
#include "vmm/machine/workload_streams.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <future>
#include <thread>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::vmm::machine {
namespace {

class StreamsTest : public testing::Test {
 protected:
  void serve(UniqueFd input, UniqueFd output = {}) {
    streams_ = std::make_unique<WorkloadStreams>(*loop_, std::move(input), std::move(output));
    streams_->add_ports(may_, ports_);
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    loop_->stop();
    if (thread_.joinable()) thread_.join();
  }
  // As the vsock device does: on the loop's thread.
  Result<UniqueFd> try_open(uint32_t port) {
    std::promise<Result<UniqueFd>> opened;
    loop_->post([&] { opened.set_value(ports_.at(port)(port)); });
    return opened.get_future().get();
  }
  UniqueFd open(uint32_t port = guest_abi::kInputVsockPort) {
    UniqueFd stream = try_open(port).value();
    ::fcntl(stream.get(), F_SETFL, 0);  // tests wait
    return stream;
  }
  std::vector<uint32_t> offered() const {
    std::vector<uint32_t> numbers;
    for (const auto& [number, connect] : ports_) numbers.push_back(number);
    return numbers;
  }
  static std::string some_of(const UniqueFd& stream, size_t count) {
    std::string text(count, 0);
    EXPECT_TRUE(::recv(stream.get(), text.data(), count, MSG_WAITALL) ==
                static_cast<ssize_t>(count));
    return text;
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
  // The output's end of a pipe; reader_ is the other.
  UniqueFd out_pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    return UniqueFd(ends[1]);
  }
  // A terminal of the caller's, raw; person_ is who types.
  UniqueFd terminal() {
    int person = -1, caller = -1;
    termios settings{};
    ::cfmakeraw(&settings);
    const winsize size{33, 101, 0, 0};
    EXPECT_EQ(::openpty(&person, &caller, nullptr, &settings, &size), 0);
    person_.reset(person);
    return UniqueFd(caller);
  }

  // Nobody reads or writes it; for what is offered.
  UniqueFd null() { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  guest_abi::HostAccess may_;
  std::unique_ptr<WorkloadStreams> streams_;  // dies before its loop
  std::map<uint32_t, virtio::Connect> ports_;
  UniqueFd writer_, reader_, person_;
  std::thread thread_;
};

using guest_abi::kInputVsockPort, guest_abi::kOutputVsockPort, guest_abi::kTerminalVsockPort;

// PID 1 asks for none of what the manifest keeps from the host, and so another process of the
// workload would be the first.
TEST_F(StreamsTest, NobodyIsGivenWhatTheManifestKeeps) {
  using namespace guest_abi;
  auto offered_with = [&](HostAccess may, UniqueFd input, UniqueFd output) {
    WorkloadStreams streams(*loop_, std::move(input), std::move(output));
    ports_.clear();
    streams.add_ports(may, ports_);
    return offered();
  };
  using Numbers = std::vector<uint32_t>;
  EXPECT_EQ(offered_with({}, null(), null()), (Numbers{kInputVsockPort, kOutputVsockPort}));
  EXPECT_EQ(offered_with({false, true}, null(), null()), Numbers{kOutputVsockPort});
  EXPECT_EQ(offered_with({true, false}, null(), null()), Numbers{kInputVsockPort});
  EXPECT_EQ(offered_with({false, false}, null(), null()), Numbers{});
  EXPECT_EQ(offered_with({false, false}, terminal(), null()), Numbers{});
  EXPECT_EQ(offered_with({false, true}, terminal(), null()),
            (Numbers{kOutputVsockPort, kTerminalVsockPort}));
}

TEST_F(StreamsTest, PipeIsCarriedUntilItsEnd) {
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
TEST_F(StreamsTest, FileOfTheCallerIsCarriedWhole) {
  UniqueFd file = unnamed_file(std::filesystem::temp_directory_path()).value();
  std::string sent(3'000'000, 'x');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * i >> 7);
  write_exactly(file.get(), as_bytes(sent), 0, "file").value();
  serve(UniqueFd(::dup(file.get())));
  EXPECT_TRUE(rest_of(open()) == sent);
}

TEST_F(StreamsTest, NoDescriptorHasEnded) {
  serve({});
  EXPECT_EQ(rest_of(open()), "");
}

TEST_F(StreamsTest, GuestThatOpensItAgainGetsNothing) {
  serve(pipe());
  UniqueFd first = open();
  EXPECT_EQ(try_open(kInputVsockPort).error().code, ErrorCode::invalid_state);
  ASSERT_TRUE(write_all(writer_.get(), as_bytes("for the first"), "pipe").ok());
  writer_.reset();
  EXPECT_EQ(rest_of(first), "for the first");
}

TEST_F(StreamsTest, GuestThatHangsUpEndsTheCallersPipe) {
  serve(pipe());
  open();
  auto before = ::signal(SIGPIPE, SIG_IGN);
  Bytes piece(4096);
  while (::write(writer_.get(), piece.data(), piece.size()) > 0) {
  }
  EXPECT_EQ(errno, EPIPE);
  ::signal(SIGPIPE, before);
}

// 16 KiB every 5 ms of 4 MiB: the guest waits, nothing is dropped, and the loop is free meanwhile.
TEST_F(StreamsTest, SlowReaderGetsEveryByteAndHoldsNobodyElse) {
  serve({}, out_pipe());
  UniqueFd stream = open(kOutputVsockPort);
  std::string sent(4'000'000, 'x');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * i >> 7);
  std::thread guest([&] {
    EXPECT_TRUE(write_all(stream.get(), as_bytes(sent), "stream").ok());
    ::shutdown(stream.get(), SHUT_WR);
    EXPECT_EQ(rest_of(stream), "");  // the host closes when all has gone on
  });
  std::string got;
  Bytes piece(16 * 1024);
  for (ssize_t count; (count = ::read(reader_.get(), piece.data(), piece.size())) > 0;) {
    got.append(as_text(ByteView(piece).first(static_cast<size_t>(count))));
    std::promise<void> alive;
    loop_->post([&] { alive.set_value(); });
    EXPECT_EQ(alive.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  }
  guest.join();
  EXPECT_TRUE(got == sent);
}

TEST_F(StreamsTest, ReaderThatStopsReadingHoldsOnlyTheGuest) {
  serve({}, out_pipe());
  UniqueFd stream = try_open(kOutputVsockPort).value();
  Bytes piece(65536);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  pollfd room{stream.get(), POLLOUT, 0};
  while (std::chrono::steady_clock::now() < deadline && ::poll(&room, 1, 300) > 0)
    ASSERT_GT(::write(stream.get(), piece.data(), piece.size()), 0);
  EXPECT_LT(std::chrono::steady_clock::now(), deadline) << "the buffers have an end";
  std::promise<void> alive;
  loop_->post([&] { alive.set_value(); });
  EXPECT_EQ(alive.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

// A regular file is always ready, and appended to where the caller's descriptor stands.
TEST_F(StreamsTest, OutputIntoAFile) {
  UniqueFd file = unnamed_file(std::filesystem::temp_directory_path()).value();
  ASSERT_EQ(::write(file.get(), "before ", 7), 7);
  serve({}, UniqueFd(::dup(file.get())));
  UniqueFd stream = open(kOutputVsockPort);
  ASSERT_EQ(::write(stream.get(), "after", 5), 5);
  ::shutdown(stream.get(), SHUT_WR);
  EXPECT_EQ(rest_of(stream), "");
  EXPECT_EQ(as_text(read_file(fmt::format("/proc/self/fd/{}", file.get()), 100).value()),
            "before after");
}

TEST_F(StreamsTest, OutputHasOneWriterAndTheCallersFlagsStay) {
  UniqueFd out = out_pipe();
  UniqueFd callers(::dup(out.get()));
  serve({}, std::move(out));
  UniqueFd stream = open(kOutputVsockPort);
  EXPECT_EQ(try_open(kOutputVsockPort).error().code, ErrorCode::invalid_state);
  EXPECT_EQ(::fcntl(callers.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(StreamsTest, EachOfferIsWhatTheCallerHas) {
  serve({}, {});
  EXPECT_EQ(offered(), std::vector<uint32_t>{kInputVsockPort});
  EXPECT_FALSE(streams_->terminal_size());
}

TEST_F(StreamsTest, TerminalGoesBothWaysAfterItsSize) {
  UniqueFd caller = terminal();
  UniqueFd output(::dup(caller.get()));
  serve(std::move(caller), std::move(output));
  EXPECT_EQ(offered(), std::vector<uint32_t>{kTerminalVsockPort});
  UniqueFd stream = open(kTerminalVsockPort);
  EXPECT_EQ(some_of(stream, 4), std::string("\x65\0\x21\0", 4));
  ASSERT_EQ(::write(person_.get(), "typed", 5), 5);
  EXPECT_EQ(some_of(stream, 5), "typed");
  ASSERT_EQ(::write(stream.get(), "shown", 5), 5);
  char text[5];
  ASSERT_EQ(::read(person_.get(), text, 5), 5);
  EXPECT_EQ(std::string(text, 5), "shown");
  EXPECT_EQ(try_open(kTerminalVsockPort).error().code, ErrorCode::invalid_state);
  const winsize size{24, 80, 0, 0};
  ::ioctl(person_.get(), TIOCSWINSZ, &size);
  EXPECT_EQ(streams_->terminal_size()->columns, 80);
  ::shutdown(stream.get(), SHUT_WR);
  EXPECT_EQ(rest_of(stream), "") << "all has gone on";
}

TEST_F(StreamsTest, TerminalForInputAndAPipeForOutput) {
  serve(terminal(), out_pipe());
  EXPECT_EQ(offered(), (std::vector<uint32_t>{kOutputVsockPort, kTerminalVsockPort}));
  UniqueFd stream = open(kTerminalVsockPort);
  some_of(stream, 4);
  ASSERT_EQ(::write(stream.get(), "prompt", 6), 6);
  char text[6];
  ASSERT_EQ(::read(person_.get(), text, 6), 6);
}

}  // namespace
}  // namespace bartizan::vmm::machine
