// Quotes of a trust domain by configfs-tsm (Linux 6.7; Documentation/ABI/testing/configfs-tsm): the
// kernel takes a TDREPORT over 64 bytes and has the host's quoting service sign it.
#pragma once

#include <filesystem>
#include <span>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::guest::init::host {

constexpr const char* kConfigFolder = "/sys/kernel/config";
constexpr const char* kTsmFolder = "/sys/kernel/config/tsm/report";
constexpr const char* kTdxProvider = "tdx_guest";

// Mounts configfs if it is not, and makes an entry for each quote. unsupported: the kernel has no
// TSM reports (CONFIG_TSM_REPORTS); otherwise as report_of_entry().
Result<Bytes> tdx_quote(std::span<const uint8_t> report_data);

// Of an entry that exists. verification_failed, reason "tee": the entry is another provider's; io:
// the host gave no quote, with the kernel's error; resource_exhausted: above kMaxTsmReport.
constexpr size_t kMaxTsmReport = 64 * kKiB;
Result<Bytes> report_of_entry(const std::filesystem::path& entry,
                              std::span<const uint8_t> report_data);

}  // namespace bartizan::guest::init::host
