// The program behind scripts/hardware-check: prints the report, nothing else. Exit status 0: every
// TEE that the host offers launched; 1: one did not; 3: the host offers none.
#include <cstdio>

#include "kvm/kernel_api.hpp"
#include "machine/hardware_check.hpp"

int main() {
  using namespace bartizan;
  machine::HardwareCheckOptions options;
  options.host.kernel = kvm::linux_kernel();
  Json report = machine::hardware_check(options);
  std::printf("%s\n", report.dump(2).c_str());
  bool offered = false, failed = false;
  for (const Json& tee : report["tees"]) {
    if (!tee.contains("launch")) continue;
    offered = true;
    failed = failed || !tee["launch"]["ok"].get<bool>();
  }
  return failed ? 1 : offered ? 0 : 3;
}
