// The program behind scripts/hardware-check: prints the report, nothing else. With a bundle at the
// default place, or at $BARTIZAN_BUNDLE, a stock kernel is also launched and attests.
#include <cstdio>

#include "bartizan/machine.hpp"
#include "hardware_check/hardware_check.hpp"
#include "hardware_check/stock_guest.hpp"
#include "vmm/kvm/kernel_api.hpp"

int main() {
  using namespace bartizan;
  hardware_check::HardwareCheckOptions options;
  options.host.kernel = vmm::kvm::linux_kernel();
  hardware_check::StockGuestOptions stock;
  stock.bundle = default_bundle_path();
  if (read_bundle(stock.bundle).ok()) {
    options.stock_guest = [stock](Tee tee) {
      return hardware_check::attest_stock_guest(stock, tee);
    };
  }
  Json report = hardware_check::hardware_check(options);
  std::printf("%s\n", report.dump(2).c_str());
  return hardware_check::hardware_check_status(report);
}
