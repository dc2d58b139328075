// The broker's answer as a guest reads it, and the HTTP around it. Nothing opens but what was
// sealed for the key, and the key here is nobody's.
#include <cstdint>
#include <cstdlib>

#include "attest/client/http_message.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "base/bytes.hpp"
#include "crypto/jwe.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT: a test program
  static const crypto::EcKey key = crypto::EcKey::generate(crypto::Curve::p256).value();
  std::string_view text = as_text({data, size});
  if (crypto::jwe_decrypt(key, text).ok()) std::abort();
  auto head = attest::client::parse_head(text);
  if (head.ok()) (void)attest::client::body_length(*head);
  for (char c : attest::client::error_from_answer(401, text, "https://b").message) {
    if (c >= 0 && c < 0x20) std::abort();  // a peer must not make lines in a log
  }
  return 0;
}
