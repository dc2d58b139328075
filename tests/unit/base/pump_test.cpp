#include "base/pump.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <thread>

#include "base/file.hpp"

namespace bartizan {
namespace {

Pipe pipe_pair() {
  return make_pipe().value();
}

Pipe socket_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void run(Pump& pump) {
  for (pollfd wanted = pump.wanted(); wanted.fd >= 0; wanted = pump.wanted()) {
    ASSERT_EQ(::poll(&wanted, 1, 10'000), 1);
    pump.step();
  }
}

std::string rest_of(int fd) {
  std::string all;
  char piece[4096];
  for (ssize_t count; (count = ::read(fd, piece, sizeof piece)) > 0;)
    all.append(piece, static_cast<size_t>(count));
  return all;
}

// Far more than any buffer on the way, past a reader that is slower, in both kinds of descriptor.
class PumpTo : public testing::TestWithParam<Pipe (*)()> {};

TEST_P(PumpTo, AllBytesInOrderAndThenTheEnd) {
  std::string sent(3'000'000, 'x');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * i >> 7);
  Pipe in = pipe_pair(), out = GetParam()();
  ::fcntl(out.write.get(), F_SETFL, O_NONBLOCK);
  std::thread writer([&] {
    EXPECT_TRUE(write_all(in.write.get(), as_bytes(sent), "pipe").ok());
    in.write.reset();
  });
  std::string got;
  std::thread reader([&] { got = rest_of(out.read.get()); });
  Pump pump(std::move(in.read), std::move(out.write));
  run(pump);
  writer.join();
  reader.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(PumpTo, ReadsNoMoreThanItHoldsWhileNobodyTakesIt) {
  Pipe in = pipe_pair(), out = GetParam()();
  ::fcntl(out.write.get(), F_SETFL, O_NONBLOCK);
  Bytes filling(Pump::kPiece, 1);
  while (::write(out.write.get(), filling.data(), filling.size()) > 0) {  // until it is full
  }
  EXPECT_TRUE(write_all(in.write.get(), filling, "pipe").ok());
  EXPECT_TRUE(write_all(in.write.get(), filling, "pipe").ok());
  Pump pump(UniqueFd(::dup(in.read.get())), std::move(out.write));
  for (int i = 0; i < 5; ++i) pump.step();
  EXPECT_EQ(pump.wanted().events, POLLOUT);
  ::fcntl(in.read.get(), F_SETFL, O_NONBLOCK);
  EXPECT_EQ(::read(in.read.get(), filling.data(), filling.size()),
            static_cast<ssize_t>(Pump::kPiece));
}

TEST_P(PumpTo, EndsWhenNobodyReads) {
  auto before = ::signal(SIGPIPE, SIG_IGN);
  Pipe in = pipe_pair(), out = GetParam()();
  ::fcntl(out.write.get(), F_SETFL, O_NONBLOCK);
  out.read.reset();
  EXPECT_TRUE(write_all(in.write.get(), as_bytes("nobody"), "pipe").ok());
  Pump pump(std::move(in.read), std::move(out.write));
  run(pump);
  EXPECT_EQ(::write(in.write.get(), "x", 1), -1);  // who writes learns it
  EXPECT_EQ(errno, EPIPE);
  ::signal(SIGPIPE, before);
}

INSTANTIATE_TEST_SUITE_P(Ends, PumpTo, testing::Values(pipe_pair, socket_pair),
                         [](const auto& info) { return info.index == 0 ? "Pipe" : "Socket"; });

TEST(Pump, FileIsCarriedAndEnds) {
  UniqueFd file = unnamed_file(std::filesystem::temp_directory_path()).value();
  write_exactly(file.get(), as_bytes("from a file"), 0, "file").value();
  Pipe out = pipe_pair();
  ::fcntl(out.write.get(), F_SETFL, O_NONBLOCK);
  Pump pump(std::move(file), std::move(out.write));
  run(pump);
  EXPECT_EQ(rest_of(out.read.get()), "from a file");
}

TEST(Pump, MadeOfNothingHasEnded) {
  Pump pump;
  pump.step();
  EXPECT_EQ(pump.wanted().fd, -1);
}

}  // namespace
}  // namespace bartizan
