// Numbers that host and guest share: stations of PID 1, control ports, vsock ports, disk serials. docs/ARCHITECTURE.md,
// "Contracts between rooms". Changing one changes the guest bundle, and so every measurement.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace bartizan::contract {

enum class Station : uint32_t {
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
constexpr uint32_t kStationCount = 10;

constexpr std::string_view station_name(uint32_t number) {
  constexpr std::array<std::string_view, kStationCount + 1> names = {
      "launch", "pid1",   "modules", "manifest", "network", "evidence",
      "broker", "verity", "crypt",   "overlay",  "workload"};
  return number <= kStationCount ? names[number] : "unknown";
}

constexpr uint16_t kControlPort = 0x0b00;  // station marks
constexpr uint16_t kExitPort = 0x0b04;     // exit report: kind << 24 | value
constexpr uint16_t kControlPortCount = 8;

constexpr uint64_t kGuestCid = 3;
constexpr uint32_t kReportVsockPort = 1001;
constexpr uint32_t kKeyVsockPort = 1002;
constexpr uint32_t kSignalVsockPort = 1003;
constexpr uint32_t kInputVsockPort = 1004;  // the workload's standard input, where it is no terminal

constexpr std::string_view kDiskSerial = "disk";
constexpr std::string_view kManifestSerial = "manifest";
constexpr std::string_view kScratchSerial = "scratch";

constexpr std::string_view kKeyFromCaller = "bartizan.key=caller";  // on the kernel command line

constexpr std::string_view kSimulatedTeeName = "bartizan-simulated";  // in the KBS protocol
constexpr std::string_view kProcessConfigPath = "/.krun_config.json";

}  // namespace bartizan::contract
