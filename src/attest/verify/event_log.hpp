// The event log of a TD (CCEL: TCG PC Client Platform Firmware Profile, crypto-agile form, as UEFI
// 2.10 §38 uses it): what firmware and loader extended into the RTMRs. A host writes it, so it
// proves nothing by itself: it is replayed, and only a log that gives the quote's RTMRs is true.
#pragma once

#include <array>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::attest::verify {

constexpr size_t kMaxEventLogBytes = 1024 * 1024;

using Rtmrs = std::array<std::array<uint8_t, 48>, 4>;

// The RTMRs that the log's events make out of zeros. corrupt: no log of this form, an event that is
// truncated, of an algorithm of unknown size, without SHA-384, or of a register that TDX has not.
Result<Rtmrs> replay_event_log(ByteView log);

}  // namespace bartizan::attest::verify
