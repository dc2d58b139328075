#include "plan/boot/acpi.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/checked.hpp"
#include "plan/boot/aml.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

constexpr size_t kTableHeader = 36;
constexpr size_t kTableAlignment = 64;

// The sum over a table's bytes is zero (§5.2.6): 8-bit arithmetic.
uint8_t checksum(ByteView bytes) {
  return static_cast<uint8_t>(0u - std::accumulate(bytes.begin(), bytes.end(), 0u));
}

void set_text(uint8_t* to, std::string_view text) {
  std::copy(text.begin(), text.end(), to);
}

// The description header (§5.2.6, table 5.4) in front of `body`.
Bytes table(std::string_view signature, uint8_t revision, const Bytes& body) {
  Bytes bytes(kTableHeader);
  bytes.insert(bytes.end(), body.begin(), body.end());
  set_text(&bytes[0], signature);
  store_le(&bytes[4], static_cast<uint32_t>(bytes.size()));
  bytes[8] = revision;
  set_text(&bytes[10], "BARTIZ");
  set_text(&bytes[16], "BARTIZAN");
  store_le<uint32_t>(&bytes[24], 1);
  set_text(&bytes[28], "BTZN");
  store_le<uint32_t>(&bytes[32], 1);
  bytes[9] = checksum(bytes);
  return bytes;
}

// One LNRO0005 ("virtio over MMIO") for each slot; a slot without a device shows device ID 0 to the
// driver.
Bytes dsdt() {
  Bytes devices;
  for (uint32_t slot = 0; slot < kVirtioSlots; slot++) {
    auto resources = aml::join(
        {aml::memory32_fixed(static_cast<uint32_t>(virtio_mmio_address(slot)), kVirtioMmioSize),
         aml::interrupt_edge_high_exclusive(virtio_gsi(slot))});
    auto device = aml::device(
        std::string("VIO") + static_cast<char>('0' + slot),
        aml::join({aml::name("_HID", aml::text("LNRO0005")), aml::name("_UID", aml::integer(slot)),
                   aml::name("_CRS", aml::resource_template(resources))}));
    devices.insert(devices.end(), device.begin(), device.end());
  }
  return table("DSDT", 2, aml::scope_system_bus(devices));
}

// §5.2.9, table 5.9.
Bytes fadt(uint64_t dsdt_address) {
  constexpr size_t kLength = 276, kDsdt = 40, kBootArchitecture = 109, kFlags = 112,
                   kMinorVersion = 131, kXDsdt = 140;
  constexpr uint16_t kNoVga = 1 << 2, kNoCmosClock = 1 << 5;  // and bit 1 clear: no 8042
  constexpr uint32_t kWbinvd = 1 << 0, kNoFixedPowerButton = 1 << 4, kNoFixedSleepButton = 1 << 5,
                     kHardwareReduced = 1 << 20;
  Bytes body(kLength - kTableHeader);
  auto field = [&](size_t offset) { return &body[offset - kTableHeader]; };
  store_le(field(kDsdt), static_cast<uint32_t>(dsdt_address));
  store_le(field(kXDsdt), dsdt_address);
  store_le<uint16_t>(field(kBootArchitecture), kNoVga | kNoCmosClock);
  store_le<uint32_t>(field(kFlags),
                     kWbinvd | kNoFixedPowerButton | kNoFixedSleepButton | kHardwareReduced);
  *field(kMinorVersion) = 5;
  return table("FACP", 6, body);
}

void append(Bytes* to, const Bytes& bytes) {
  to->insert(to->end(), bytes.begin(), bytes.end());
}

// §5.2.12.2.
Bytes madt_local_apic(uint8_t id) {
  Bytes entry = {0, 8, id, id};
  append(&entry, {1, 0, 0, 0});  // enabled
  return entry;
}

// §5.2.12.3: one I/O APIC whose inputs are the global interrupts from 0 on.
Bytes madt_io_apic() {
  Bytes entry(12);
  entry[0] = 1;
  entry[1] = 12;
  store_le(&entry[4], static_cast<uint32_t>(kIoApicAddress));
  return entry;
}

// §5.2.12.19, version 0: no way back, processors that are awake stay so.
Bytes madt_multiprocessor_wakeup(uint64_t mailbox) {
  Bytes entry(16);
  entry[0] = 0x10;
  entry[1] = 16;
  store_le(&entry[8], mailbox);
  return entry;
}

Bytes madt(uint32_t vcpus, uint64_t mailbox) {
  Bytes body(8);  // local APIC address; flags 0: no dual 8259
  store_le(&body[0], static_cast<uint32_t>(kLocalApicAddress));
  for (uint32_t id = 0; id < vcpus; id++) append(&body, madt_local_apic(static_cast<uint8_t>(id)));
  append(&body, madt_io_apic());
  if (mailbox != 0) append(&body, madt_multiprocessor_wakeup(mailbox));
  return table("APIC", 5, body);
}

// §5.2.5.3; the first 20 bytes have a checksum of their own.
Bytes rsdp(uint64_t xsdt_address) {
  Bytes bytes(36);
  set_text(&bytes[0], "RSD PTR ");
  set_text(&bytes[9], "BARTIZ");
  bytes[15] = 2;
  store_le<uint32_t>(&bytes[20], 36);
  store_le(&bytes[24], xsdt_address);
  bytes[8] = checksum(ByteView(bytes).first(20));
  bytes[32] = checksum(bytes);
  return bytes;
}

Bytes xsdt(std::initializer_list<uint64_t> tables) {
  Bytes body(tables.size() * 8);
  size_t offset = 0;
  for (uint64_t address : tables) store_le(&body[std::exchange(offset, offset + 8)], address);
  return table("XSDT", 1, body);
}

}  // namespace

Bytes acpi_tables(uint64_t at, uint32_t vcpus, uint64_t mailbox) {
  Bytes block(kTableAlignment);  // the RSDP's place
  auto place = [&](const Bytes& bytes) {
    block.resize(align_up(block.size(), kTableAlignment));
    uint64_t address = at + block.size();
    append(&block, bytes);
    return address;
  };
  uint64_t fadt_address = place(fadt(place(dsdt())));
  uint64_t madt_address = place(madt(vcpus, mailbox));
  auto pointer = rsdp(place(xsdt({fadt_address, madt_address})));
  std::copy(pointer.begin(), pointer.end(), block.begin());
  return block;
}

}  // namespace bartizan::plan::boot
