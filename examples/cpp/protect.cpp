// Makes a confidential image with a scratch disk and a recovery passphrase, shows the ways into its
// disk, and verifies it, with the C++ API:
//
//   protect SOURCE OUTPUT KEY_FILE RECOVERY_FILE
//
// SOURCE: an OCI layout folder. KEY_FILE holds the disk key, RECOVERY_FILE the passphrase for
// people.
#include <fstream>
#include <iostream>
#include <iterator>

#include "bartizan/image.hpp"

namespace {

bartizan::SecretBytes read_secret(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return bartizan::SecretBytes::from_string(text);
}

bartizan::Result<void> protect(char** words) {
  bartizan::BuildOptions options;
  options.source = words[1];
  options.output = words[2];
  options.disk_key = read_secret(words[3]);
  options.recovery_passphrase = read_secret(words[4]);
  options.scratch_bytes = 64 << 20;  // what the workload writes goes there, not to memory
  options.host_may = "output";       // of a workload that runs: no input, no signals but the stop
  if (auto report = bartizan::build_image(options); !report.ok()) return report.error();

  auto info = bartizan::inspect_image(words[2]);
  if (!info.ok()) return info.error();
  std::cout << "scratch disk: " << info->scratch_bytes << " bytes\n";
  for (const auto& slot : info->luks->keyslots)
    std::cout << "key slot " << slot.number << ": " << slot.kdf << "\n";
  return bartizan::verify_image(words[2], read_secret(words[4]));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: protect SOURCE OUTPUT KEY_FILE RECOVERY_FILE\n";
    return 2;
  }
  auto done = protect(argv);
  if (!done.ok()) std::cerr << done.error().describe() << "\n";
  return done.ok() ? 0 : 1;
}
