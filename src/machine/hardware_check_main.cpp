// The program behind scripts/hardware-check: prints the report, nothing else. With a bundle at the
// default place, or at $BARTIZAN_BUNDLE, a stock kernel is launched and attests, too.
#include <cstdio>

#include "bartizan/machine.hpp"
#include "kvm/kernel_api.hpp"
#include "machine/hardware_check.hpp"
#include "machine/stock_guest.hpp"

int main() {
  using namespace bartizan;
  machine::HardwareCheckOptions options;
  options.host.kernel = kvm::linux_kernel();
  machine::StockGuestOptions stock;
  stock.bundle = default_bundle_path();
  if (read_bundle(stock.bundle).ok()) {
    options.stock_guest = [stock](Tee tee) { return machine::attest_stock_guest(stock, tee); };
  }
  Json report = machine::hardware_check(options);
  std::printf("%s\n", report.dump(2).c_str());
  return machine::hardware_check_status(report);
}
