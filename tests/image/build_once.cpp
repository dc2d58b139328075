// build_once SOURCE OUTPUT KEYFILE: one repeatable build in a process of its own; prints how many
// MiB that took at most.
#include <sys/resource.h>

#include <clocale>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "bartizan/image.hpp"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::setlocale(LC_ALL, "");
  std::ifstream file(argv[3]);
  std::string key{std::istreambuf_iterator<char>(file), {}};
  bartizan::BuildOptions options;
  options.source = argv[1];
  options.output = argv[2];
  options.disk_key = bartizan::SecretBytes::from_string(key);
  options.reproducible = true;
  auto report = bartizan::build_image(options);
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", report.error().describe().c_str());
    return 1;
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  std::printf("%ld\n", used.ru_maxrss / 1024);
  return 0;
}
