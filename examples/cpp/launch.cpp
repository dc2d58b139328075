// Launches a confidential image with the simulated TEE and waits for its end, with the C++ API:
//
//   launch IMAGE BUNDLE [PASSPHRASE_FILE]
//
// Without a key file the guest fetches its disk key from the image's broker. The workload's
// output is ours, and so is its exit status.
#include <unistd.h>

#include <bartizan/machine.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

namespace {

bartizan::SecretBytes read_disk_key(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return bartizan::SecretBytes::from_string(text);
}

bartizan::Result<bartizan::ExitReason> launch(const char* image, const char* bundle,
                                              std::optional<bartizan::SecretBytes> disk_key) {
  // vCPUs and RAM are the image's, which its owner measured, unless they are given here.
  bartizan::MachineOptions options;
  options.bundle = bundle;
  options.stdout_fd = STDOUT_FILENO;
  options.log = [](bartizan::LogLevel, std::string_view line) { std::cerr << line << '\n'; };

  // The four verbs. Each returns a Result: a value or an Error.
  auto context = bartizan::Context::create(std::move(options));
  if (!context.ok()) return context.error();
  if (auto set = context->set_tee(bartizan::Tee::simulated); !set.ok()) return set.error();
  if (auto attached = context->attach_image(image, std::move(disk_key)); !attached.ok())
    return attached.error();
  if (auto started = context->start(); !started.ok()) return started.error();

  // start() has returned; this process could do something else until exit_fd() is readable.
  return context->wait();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: launch IMAGE BUNDLE [PASSPHRASE_FILE]\n";
    return 2;
  }
  std::optional<bartizan::SecretBytes> disk_key;
  if (argc > 3) disk_key = read_disk_key(argv[3]);
  auto reason = launch(argv[1], argv[2], std::move(disk_key));
  if (!reason.ok()) {
    std::cerr << reason.error().describe() << '\n';
    return 125;
  }
  std::cerr << reason->describe() << '\n';
  return reason->process_status();
}
