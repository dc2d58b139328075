// What a client of the broker sends, in one go and in pieces: both must be read alike. First byte:
// size of the pieces. A second use: text of X-Forwarded-For and of prefixes.
#include <cstdint>
#include <cstdlib>

#include "attest/https/peer_address.hpp"
#include "attest/https/request_reader.hpp"

namespace {

using namespace bartizan;  // NOLINT: a test program
using attest::https::RequestReader;
using attest::https::ServedRequest;

constexpr size_t kLimit = 70'000;  // above kSmallBodyBytes

void check(const ServedRequest& request) {
  if (!request.path.starts_with('/') || request.path.find('?') != std::string::npos) std::abort();
  if (request.body.size() > kLimit) std::abort();
  if (request.headers.size() > attest::https::kMaxRequestHeaders) std::abort();
  if (request.headers.contains("content-length") && request.headers.contains("transfer-encoding"))
    std::abort();
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ: \r\n") != std::string::npos)
      std::abort();
    if (value.find_first_of("\r\n") != std::string::npos) std::abort();
  }
}

// The requests of `data`, until one cannot be read: their paths and bodies, and the error's code.
std::string read_all(ByteView data, size_t piece) {
  RequestReader reader(kLimit);
  Bytes input;
  std::string found;
  while (!data.empty() || !input.empty()) {
    size_t count = std::min(piece, data.size());
    input.insert(input.end(), data.begin(), data.begin() + static_cast<ptrdiff_t>(count));
    data = data.subspan(count);
    auto step = reader.parse(input);
    while (step.ok() && *step != RequestReader::Step::needs_more) {
      if (*step == RequestReader::Step::whole) {
        ServedRequest request = reader.take();
        check(request);
        found += request.method + " " + request.path + " " + std::to_string(request.body.size()) +
                 (reader.keeps_alive() ? "\n" : " last\n");
        if (input.empty()) break;
      }
      step = reader.parse(input);
    }
    if (!step.ok()) return found + std::string(to_string(step.error().code));
    if (count == 0) break;
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ByteView bytes{data + 1, size - 1};
  // An error may be seen before or after all of a head is there, so only what was read is compared.
  auto requests = [](const std::string& found) { return found.substr(0, found.rfind('\n') + 1); };
  if (requests(read_all(bytes, size)) != requests(read_all(bytes, 1 + data[0]))) std::abort();
  std::string_view text = as_text(bytes);
  auto address = attest::https::parse_peer_address(text);
  if (address && attest::https::parse_peer_address(address->text()) != address) std::abort();
  auto prefix = attest::https::parse_address_prefix(text);
  if (prefix.ok() && !prefix->contains(prefix->address)) std::abort();
  return 0;
}
