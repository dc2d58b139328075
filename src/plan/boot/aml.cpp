#include "plan/boot/aml.hpp"

namespace bartizan::plan::boot::aml {
namespace {

constexpr uint8_t kZeroOp = 0x00, kOneOp = 0x01, kNameOp = 0x08, kBytePrefix = 0x0a,
                  kWordPrefix = 0x0b, kDwordPrefix = 0x0c, kStringPrefix = 0x0d, kScopeOp = 0x10,
                  kBufferOp = 0x11, kExtOpPrefix = 0x5b, kDeviceOp = 0x82;

template <typename T>
void append_le(Bytes* to, T value) {
  uint8_t bytes[sizeof value];
  store_le(bytes, value);
  to->insert(to->end(), bytes, bytes + sizeof value);
}

Bytes segment_bytes(std::string_view segment) {
  Bytes bytes(segment.begin(), segment.end());
  bytes.resize(4, '_');  // §20.2.2: a name segment is padded with underscores
  return bytes;
}

// PkgLength PkgContents; the length counts itself (§20.2.4). One byte holds up to 63; more take 1
// to 3 bytes after it.
Bytes package(const Bytes& contents) {
  Bytes bytes;
  if (contents.size() + 1 < 0x40) {
    bytes.push_back(static_cast<uint8_t>(contents.size() + 1));
  } else {
    size_t extra = contents.size() + 2 < (1 << 12) ? 1 : contents.size() + 3 < (1 << 20) ? 2 : 3;
    size_t length = contents.size() + 1 + extra;
    bytes.push_back(static_cast<uint8_t>(extra << 6 | (length & 0xf)));
    for (size_t i = 0; i < extra; i++) bytes.push_back(static_cast<uint8_t>(length >> (4 + 8 * i)));
  }
  bytes.insert(bytes.end(), contents.begin(), contents.end());
  return bytes;
}

}  // namespace

Bytes join(std::initializer_list<Bytes> terms) {
  Bytes all;
  for (const auto& term : terms) all.insert(all.end(), term.begin(), term.end());
  return all;
}

Bytes integer(uint32_t value) {
  if (value <= 1) return {value == 0 ? kZeroOp : kOneOp};
  Bytes bytes;
  if (value <= 0xff) {
    bytes = {kBytePrefix, static_cast<uint8_t>(value)};
  } else if (value <= 0xffff) {
    bytes = {kWordPrefix};
    append_le(&bytes, static_cast<uint16_t>(value));
  } else {
    bytes = {kDwordPrefix};
    append_le(&bytes, value);
  }
  return bytes;
}

Bytes text(std::string_view value) {
  Bytes bytes = {kStringPrefix};
  bytes.insert(bytes.end(), value.begin(), value.end());
  bytes.push_back(0);
  return bytes;
}

Bytes name(std::string_view segment, const Bytes& value) {
  return join({{kNameOp}, segment_bytes(segment), value});
}

Bytes device(std::string_view segment, const Bytes& terms) {
  return join({{kExtOpPrefix, kDeviceOp}, package(join({segment_bytes(segment), terms}))});
}

Bytes scope_system_bus(const Bytes& terms) {
  return join({{kScopeOp}, package(join({{'\\'}, segment_bytes("_SB_"), terms}))});
}

Bytes resource_template(const Bytes& descriptors) {
  Bytes data = join({descriptors, {0x79, 0x00}});  // end tag, checksum 0: not used (§6.4.2.9)
  return join({{kBufferOp}, package(join({integer(static_cast<uint32_t>(data.size())), data}))});
}

// §6.4.3.4: 32-bit fixed memory range descriptor.
Bytes memory32_fixed(uint32_t base, uint32_t size) {
  Bytes bytes = {0x86, 9, 0, 1 /* writable */};
  append_le(&bytes, base);
  append_le(&bytes, size);
  return bytes;
}

// §6.4.3.6: extended interrupt descriptor; flags: consumer, edge, active high, exclusive.
Bytes interrupt_edge_high_exclusive(uint32_t global_interrupt) {
  Bytes bytes = {0x89, 6, 0, 0x03, 1};
  append_le(&bytes, global_interrupt);
  return bytes;
}

}  // namespace bartizan::plan::boot::aml
