// guests CASE IMAGE BUNDLE KEY_FILE: machines on libfake_kvm.so, with the C++ API. Prints what
// test_guests.py expects of every interface.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>

#include "bartizan/machine.hpp"

namespace {

using namespace bartizan;  // NOLINT: the program's whole business
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBefore{300};  // until the other thread waits

char** argument;

Context machine(MachineOptions options = {}) {
  if (!options.loaded_bundle) options.bundle = argument[3];
  options.kvm_device = "/fake/kvm";
  auto context = Context::create(std::move(options)).value();
  std::ifstream file(argument[4]);
  std::string key;
  std::getline(file, key);
  context.attach_image(argument[2], SecretBytes::from_string(key)).value();
  return context;
}

void close_while_another_waits() {
  auto context = std::make_unique<Context>(machine());
  context->start().value();
  ExitReason reason;
  std::thread waiter([&] { reason = context->wait().value(); });
  std::this_thread::sleep_for(kBefore);
  const auto before = Clock::now();
  context.reset();
  waiter.join();
  const bool soon = Clock::now() - before < std::chrono::seconds(1);
  std::cout << reason.describe() << (soon ? ", within a second\n" : ", late\n");
}

int in_the_child(Context context) {
  context.request_stop(0);
  context.send_signal(15);
  const Error error = context.wait().error();
  const bool told = error.code == ErrorCode::invalid_state &&
                    error.message.find("forked") != std::string::npos && !context.start().ok() &&
                    context.exit_fd() == -1 && context.published_ports().empty();
  return told ? 0 : 1;
}

void free_in_a_forked_child() {
  auto context = machine();
  context.start().value();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(in_the_child(std::move(context)));
  int status = -1;
  ::waitpid(child, &status, 0);
  const auto reason = context.wait(std::chrono::seconds(20)).value();
  std::cout << "child " << status << ", guest " << reason.describe() << "\n";
}

void stop_before_the_start() {
  auto context = machine();
  context.request_stop(0);
  std::cout << to_string(context.start().error().code) << "\n";
  std::cout << to_string(context.wait(std::chrono::seconds(0)).error().code) << "\n";
}

// A stop comes in the middle of a start.
void stop_during_the_start() {
  auto context = machine();
  std::thread stopper;
  MachineOptions options;
  std::atomic<Context*> started{nullptr};
  options.log = [&](LogLevel, std::string_view) {
    if (Context* one = started.exchange(nullptr)) one->request_stop(0);
  };
  options.tee_options.policy = 0x30000;
  auto second = machine(std::move(options));
  second.set_tee(Tee::simulated).value();
  started = &second;
  second.start().value();
  std::cout << second.wait(std::chrono::seconds(20)).value().describe() << "\n";
}

void print_events(Context& context) {
  std::cout << "events:";
  for (pollfd readable{context.event_fd(), POLLIN, 0}; ::poll(&readable, 1, 0) == 1;)
    std::cout << " " << to_string(*context.next_event());
  std::cout << " " << (context.next_event() ? 0 : -1) << "\n";
}

void events_and_pause() {
  std::string called;
  MachineOptions options;
  options.events = [&](MachineEvent event) { called.append(" ").append(to_string(event)); };
  {
    auto context = machine(std::move(options));
    context.start().value();
    context.wait_for(MachineEvent::ready, std::chrono::seconds(20)).value();
    context.pause().value();
    std::cout << "paused: " << to_string(context.wait(std::chrono::milliseconds(1200)).error().code)
              << "\n";
    context.resume().value();
    context.wait_for(MachineEvent::exited, std::chrono::seconds(20)).value();
    std::cout << context.wait(std::chrono::seconds(0)).value().describe() << "\n";
    print_events(context);
    std::cout << "attested: " << to_string(context.wait_for(MachineEvent::attested).error().code)
              << "\n";
    std::cout << "pause: " << to_string(context.pause().error().code) << "\n";
  }
  std::cout << "called:" << called << "\n";
}

// The callback of one machine holds the last reference to it.
void destroy_in_a_callback() {
  auto holder = std::make_shared<std::shared_ptr<Context>>();
  std::promise<std::string> waited;
  MachineOptions options;
  options.events = [holder, &waited](MachineEvent) {
    if (!*holder) return;
    std::string code(to_string((*holder)->wait().error().code));
    holder->reset();
    waited.set_value(std::move(code));
  };
  *holder = std::make_shared<Context>(machine(std::move(options)));
  (*holder)->start().value();
  std::cout << waited.get_future().get() << "\n";
  while (std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator()) > 1)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::cout << "no thread is left\n";
}

void size_of_the_image() {
  std::cout << machine().memory_size() << "\n";
  MachineOptions options;
  options.ram_mib = 512;
  std::cout << machine(std::move(options)).memory_size() << "\n";
}

// The files are gone before a machine is made; a child of this process starts from the same memory.
void bundle_in_memory() {
  MachineOptions options;
  options.loaded_bundle = LoadedBundle::load(argument[3]).value();
  std::filesystem::rename(argument[3], std::string(argument[3]) + ".gone");
  std::cout << to_string(LoadedBundle::load(argument[3]).error().code) << "\n" << std::flush;
  const pid_t child = ::fork();
  auto context = machine(std::move(options));
  context.start().value();
  const auto status = context.wait(std::chrono::seconds(20)).value().process_status();
  if (child == 0) ::_exit(status);
  int of_child = -1;
  ::waitpid(child, &of_child, 0);
  std::cout << status << " " << WEXITSTATUS(of_child) << "\n";
}

}  // namespace

int main(int, char** arguments) {
  argument = arguments;
  const std::string_view which = arguments[1];
  if (which == "close") close_while_another_waits();
  if (which == "fork") free_in_a_forked_child();
  if (which == "stop-before") stop_before_the_start();
  if (which == "stop-during") stop_during_the_start();
  if (which == "destroy-in-callback") destroy_in_a_callback();
  if (which == "events") events_and_pause();
  if (which == "size") size_of_the_image();
  if (which == "loaded") bundle_in_memory();
}
