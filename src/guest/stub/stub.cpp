#include "guest/stub/stub.hpp"

#include "guest/stub/blobs.hpp"
#include "guest/stub/ghcb.hpp"
#include "guest/stub/memory.hpp"
#include "guest/stub/platform.hpp"
#include "guest/stub/table.hpp"

namespace bartizan::guest::stub {
namespace {

StubRefusal prepare(const StubTable& table) {
  Processor processor;
  StubRefusal why = check_table(table);
  if (why == kDone) why = look_at_processor(table, &processor);
  if (why == kDone) why = accept_memory(table, processor);
  if (why == kDone) why = take_blobs(table, processor);
  if (why == kDone) why = set_ap_jump_table(table);
  return why;
}

}  // namespace
}  // namespace bartizan::guest::stub

void stub_main() {
  using namespace bartizan;  // NOLINT
  auto& table = *reinterpret_cast<const guest_abi::StubTable*>(
      guest::stub::platform::memory(guest_abi::kStubTableAddress));
  guest_abi::StubRefusal why = guest::stub::prepare(table);
  if (why != guest::stub::kDone) guest::stub::refuse(guest::stub::platform_of(table), why);
  guest::stub::platform::load_cr3(guest_abi::kStubPageTables | guest::stub::private_bits(table));
  guest::stub::platform::enter_kernel(table.kernel_entry, table.boot_params);
}
