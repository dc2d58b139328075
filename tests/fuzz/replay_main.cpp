// Replays a corpus folder through a fuzz target: each file as it is, cut short, and with single
// bits flipped. What can go wrong is a crash, a sanitizer report or the test's time limit; an empty
// or missing corpus fails, too.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Enough to hit every field of a header, few enough that a corpus of big files stays quick.
constexpr size_t kTruncations = 256;
constexpr size_t kFlips = 4096;

std::vector<uint8_t> read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A copy of exactly `size` bytes, so that the address sanitizer sees a read past its end.
void run(const std::vector<uint8_t>& input, size_t size) {
  std::vector<uint8_t> copy(input.begin(), input.begin() + static_cast<ptrdiff_t>(size));
  copy.shrink_to_fit();
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

size_t replay(std::vector<uint8_t> input) {
  size_t runs = 1;
  run(input, input.size());
  size_t cut = std::max<size_t>(1, input.size() / kTruncations);
  for (size_t size = 0; size < input.size(); size += cut, ++runs) run(input, size);
  size_t bits = input.size() * 8, step = std::max<size_t>(1, bits / kFlips);
  if (step > 1) step |= 1;  // odd: visits every position within a byte
  for (size_t bit = 0; bit < bits; bit += step, ++runs) {
    input[bit / 8] ^= uint8_t(1u << (bit % 8));
    run(input, input.size());
    input[bit / 8] ^= uint8_t(1u << (bit % 8));
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  if (argc == 2) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[1], error))
      files.push_back(entry);
  }
  if (files.empty()) {
    std::fprintf(stderr, "%s: no corpus: give a folder with at least one file\n", argv[0]);
    return 1;
  }
  std::sort(files.begin(), files.end());
  size_t runs = 0;
  for (const auto& file : files) runs += replay(read_whole(file));
  std::printf("%zu inputs, %zu runs\n", files.size(), runs);
  return 0;
}
