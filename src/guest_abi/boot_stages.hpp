// Numbers that host and guest share: stages of PID 1, control ports, vsock ports, disk serials.
// docs/reference/guest-abi.md describes them. Changing one changes the guest bundle, and so every
// measurement.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bartizan::guest_abi {

enum class BootStage : uint32_t {
  pid1 = 1,
  modules,
  manifest,
  network,
  evidence,
  broker,
  verity,
  crypt,
  overlay,
  workload,
};
constexpr uint32_t kStageCount = 10;
// After the last stage, as its mark: the workload's program was started.
constexpr uint32_t kRunningMark = kStageCount + 1;

constexpr std::string_view stage_name(uint32_t number) {
  constexpr std::array<std::string_view, kStageCount + 1> names = {
      "launch", "pid1",   "modules", "manifest", "network", "evidence",
      "broker", "verity", "crypt",   "overlay",  "workload"};
  return number <= kStageCount ? names[number] : "unknown";
}

constexpr uint16_t kControlPort = 0x0b00;  // stage marks
constexpr uint16_t kExitPort = 0x0b04;     // exit report: kind << 24 | value
constexpr uint16_t kControlPortCount = 8;
// Of the value of a guest failure: what a shell would exit with where the entry point is missing
// (127) or cannot be executed (126); else 0.
constexpr uint32_t kFailureStatusShift = 16;

constexpr uint64_t kGuestCid = 3;
constexpr uint32_t kReportVsockPort = 1001;
constexpr uint32_t kKeyVsockPort = 1002;
constexpr uint32_t kSignalVsockPort = 1003;
// The workload's standard streams: those that are no terminal, and the terminal.
constexpr uint32_t kInputVsockPort = 1004;
constexpr uint32_t kOutputVsockPort = 1005;
constexpr uint32_t kTerminalVsockPort = 1006;
// Which TCP ports the workload listens on, for a host that publishes them: one message for each
// change.
constexpr uint32_t kListeningVsockPort = 1007;
// For the exchange with the broker, two blocks (le32 size, bytes): where the broker is in this
// deployment, if the manifest lets the host choose; and the owner's statement about the workload's
// version, which the broker verifies. Either may be empty.
constexpr uint32_t kBrokerVsockPort = 1008;
constexpr size_t kMaxStatementBytes = 2048;

constexpr size_t kPortNewsBytes = 3;  // u8 listening (1 or 0), le16 port

// A host publishes as many at once; a guest tells no more.
constexpr size_t kMaxListeningPorts = 64;

struct TerminalSize {
  uint16_t columns = 0, rows = 0;
};

// Among the signals: this byte, which is no signal, then columns and rows as le16.
constexpr uint8_t kTerminalSizeMark = 0;
constexpr size_t kTerminalSizeBytes = 5;

constexpr std::string_view kDiskSerial = "disk";
constexpr std::string_view kManifestSerial = "manifest";
constexpr std::string_view kScratchSerial = "scratch";

// Words on the kernel command line, which is measured.
constexpr std::string_view kKeyFromCaller = "bartizan.key=caller";
// Followed by the name of the TEE that the launch was planned for. The guest believes nothing else
// of what it is: what a processor or a device says there may come from the host.
constexpr std::string_view kTeeWord = "bartizan.tee=";

constexpr std::string_view kSimulatedTeeName = "bartizan-simulated";  // in the KBS protocol
constexpr std::string_view kProcessConfigPath = "/.krun_config.json";

}  // namespace bartizan::guest_abi
