// As much of an AML encoder as the DSDT needs (ACPI 6.5, chapter 20): scopes, devices, names,
// integers, strings, resource templates. Each function gives the bytes of one term.
#pragma once

#include <string_view>

#include "base/bytes.hpp"

namespace bartizan::plan::boot::aml {

Bytes join(std::initializer_list<Bytes> terms);
Bytes integer(uint32_t value);
Bytes text(std::string_view value);
Bytes name(std::string_view segment, const Bytes& value);    // Name (_HID, value)
Bytes device(std::string_view segment, const Bytes& terms);  // Device (VIO0) {terms}
Bytes scope_system_bus(const Bytes& terms);                  // Scope (\_SB) {terms}
Bytes resource_template(const Bytes& descriptors);           // ResourceTemplate () {descriptors}
Bytes memory32_fixed(uint32_t base, uint32_t size);          // read-write
Bytes interrupt_edge_high_exclusive(
    uint32_t global_interrupt);  // Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive)

}  // namespace bartizan::plan::boot::aml
