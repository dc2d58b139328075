#include "attest/verify/event_log.hpp"

#include <algorithm>
#include <optional>

#include "base/errors.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::verify {
namespace {

constexpr uint32_t kNoAction = 3;          // EV_NO_ACTION: extends nothing
constexpr uint32_t kEndMark = 0xffffffff;  // the area behind the last event is filled with ones
constexpr uint16_t kTpmSha384 = 0x000c;
constexpr size_t kSha1Size = 20, kMaxDigests = 8;
constexpr std::string_view kEventLog = "event log";

template <typename... Args>
Error bad_log(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::corrupt, "attest/verify", "event log: {}",
                    fmt::format(format, std::forward<Args>(args)...));
}

std::optional<size_t> digest_size(uint16_t algorithm) {
  switch (algorithm) {
    case 0x0004:  // SHA-1
      return kSha1Size;
    case 0x000b:  // SHA-256
    case 0x0012:  // SM3
      return 32;
    case kTpmSha384:
      return 48;
    case 0x000d:  // SHA-512
      return 64;
  }
  return std::nullopt;
}

// TCG_PCR_EVENT: the first, which names the form.
Result<void> read_spec_event(ByteReader& reader) {
  TRY(reader.read<uint32_t>());
  const uint32_t type = TRY(reader.read<uint32_t>());
  TRY(reader.take(kSha1Size));
  const uint32_t size = TRY(reader.read<uint32_t>());
  if (size > reader.remaining()) return bad_log("its first event is longer than the log");
  ByteView event = TRY(reader.take(size));
  constexpr std::string_view kSignature = "Spec ID Event03";
  if (type != kNoAction || event.size() < kSignature.size() ||
      as_text(event.first(kSignature.size())) != kSignature)
    return bad_log("it does not begin with \"{}\"", kSignature);
  return {};
}

void extend(std::array<uint8_t, 48>& rtmr, ByteView digest) {
  Bytes both(rtmr.begin(), rtmr.end());
  both.insert(both.end(), digest.begin(), digest.end());
  const auto hash = crypto::sha384(both);
  std::copy(hash.begin(), hash.end(), rtmr.begin());
}

// TCG_PCR_EVENT2, after its register.
Result<void> read_event(ByteReader& reader, uint32_t index, Rtmrs& rtmrs) {
  const uint32_t type = TRY(reader.read<uint32_t>());
  const uint32_t count = TRY(reader.read<uint32_t>());
  if (count > kMaxDigests) return bad_log("an event has {} digests", count);
  std::optional<ByteView> digest;
  for (uint32_t i = 0; i < count; ++i) {
    const uint16_t algorithm = TRY(reader.read<uint16_t>());
    const auto size = digest_size(algorithm);
    if (!size) return bad_log("digest of unknown algorithm {:#x}", algorithm);
    ByteView bytes = TRY(reader.take(*size));
    if (algorithm == kTpmSha384) digest = bytes;
  }
  const uint32_t size = TRY(reader.read<uint32_t>());
  if (size > reader.remaining()) return bad_log("an event is longer than the log");
  TRY(reader.take(size));
  if (type == kNoAction) return {};
  if (!digest) return bad_log("an event has no SHA-384 digest");
  if (index < 1 || index > rtmrs.size()) return bad_log("an event of register {}", index);
  extend(rtmrs[index - 1], *digest);
  return {};
}

}  // namespace

Result<Rtmrs> replay_event_log(ByteView log) {
  if (log.size() > kMaxEventLogBytes)
    return bad_log("{} bytes, at most {}", log.size(), kMaxEventLogBytes);
  ByteReader reader(log, kEventLog);
  TRY(read_spec_event(reader));
  Rtmrs rtmrs{};
  while (reader.remaining() >= sizeof(uint32_t)) {
    const uint32_t index = TRY(reader.read<uint32_t>());
    if (index == kEndMark) break;
    // An area that is filled with zeros: register 0, which is MRTD and never extended.
    if (index == 0 && reader.remaining() >= 8 &&
        load_le<uint64_t>(log.data() + reader.position()) == 0)
      break;
    TRY(read_event(reader, index, rtmrs));
  }
  return rtmrs;
}

}  // namespace bartizan::attest::verify
