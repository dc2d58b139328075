#include "guest/stub/stub.hpp"

#include "guest/stub/blobs.hpp"
#include "guest/stub/ghcb.hpp"
#include "guest/stub/memory.hpp"
#include "guest/stub/platform.hpp"
#include "guest/stub/table.hpp"

namespace bartizan::stub {
namespace {

StubRefusal prepare(const StubTable& table) {
  Processor processor;
  StubRefusal why = check_table(table);
  if (why == kDone) why = look_at_processor(table, &processor);
  if (why == kDone) why = take_memory(table, processor);
  if (why == kDone) why = take_blobs(table, processor);
  if (why == kDone) why = set_ap_jump_table(table);
  return why;
}

}  // namespace
}  // namespace bartizan::stub

void stub_main() {
  using namespace bartizan;  // NOLINT
  auto& table =
      *reinterpret_cast<const boot::StubTable*>(stub::platform::memory(boot::kStubTableAddress));
  boot::StubRefusal why = stub::prepare(table);
  if (why != stub::kDone) stub::refuse(stub::platform_of(table), why);
  stub::platform::load_cr3(boot::kStubPageTables | stub::private_bits(table));
  stub::platform::enter_kernel(table.kernel_entry, table.boot_params);
}
