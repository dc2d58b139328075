#include "attest/verify/pck_extension.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "base/errors.hpp"

namespace bartizan::attest::verify {
namespace {

// X.690 tags.
constexpr uint8_t kInteger = 0x02, kOctets = 0x04, kObject = 0x06, kSequence = 0x30;
// 1.2.840.113741.1.13.1 in DER; members add one arc or two.
constexpr std::array<uint8_t, 9> kSgxArcs = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

Error bad_extension(std::string_view what) {
  return make_error(ErrorCode::corrupt, "attest/verify", "PCK certificate: SGX extension: {}",
                    what);
}

struct DerItem {
  uint8_t tag = 0;
  ByteView content;
};

// One item of definite length, of at most 64 KiB, from the front of `bytes`.
Result<DerItem> next_item(ByteView& bytes) {
  if (bytes.size() < 2) return bad_extension("truncated");
  const uint8_t tag = bytes[0], first = bytes[1];
  size_t length = first, header = 2;
  if (first >= 0x80) {
    const size_t count = first & 0x7f;
    if (count < 1 || count > 2 || bytes.size() < 2 + count)
      return bad_extension("a length is malformed");
    length = 0;
    for (size_t i = 0; i < count; ++i) length = length << 8 | bytes[2 + i];
    if (length < 0x80 || (count == 2 && length < 0x100))
      return bad_extension("a length is not in its shortest form");
    header += count;
  }
  if (length > bytes.size() - header) return bad_extension("an item is longer than what is left");
  DerItem item{tag, bytes.subspan(header, length)};
  bytes = bytes.subspan(header + length);
  return item;
}

// SEQUENCE { OBJECT, value }: its arcs below the extension's own, and the value.
struct SgxMember {
  std::vector<uint8_t> arcs;
  DerItem value;
};
Result<SgxMember> next_member(ByteView& bytes) {
  DerItem pair = TRY(next_item(bytes));
  if (pair.tag != kSequence) return bad_extension("a member is not a SEQUENCE");
  ByteView inside = pair.content;
  DerItem name = TRY(next_item(inside));
  DerItem value = TRY(next_item(inside));
  if (name.tag != kObject || !inside.empty()) return bad_extension("a member has no name");
  if (name.content.size() <= kSgxArcs.size() ||
      !std::equal(kSgxArcs.begin(), kSgxArcs.end(), name.content.begin()))
    return bad_extension("a member of another name");
  ByteView arcs = name.content.subspan(kSgxArcs.size());
  return SgxMember{{arcs.begin(), arcs.end()}, value};
}

Result<uint32_t> small_number(const DerItem& item, uint32_t most) {
  if (item.tag != kInteger || item.content.empty() || item.content.size() > 3 ||
      item.content[0] >= 0x80)
    return bad_extension("a version is not a small INTEGER");
  uint32_t value = 0;
  for (uint8_t byte : item.content) value = value << 8 | byte;
  if (value > most) return bad_extension("a version is too large");
  return value;
}

template <size_t N>
Result<void> copy_octets(const DerItem& item, std::array<uint8_t, N>& to) {
  if (item.tag != kOctets || item.content.size() != N)
    return bad_extension("an OCTET STRING has a wrong size");
  std::copy(item.content.begin(), item.content.end(), to.begin());
  return {};
}

// Arcs 2.1 to 2.16 are components, 2.17 the PCE's version, 2.18 the raw CPUSVN.
Result<void> read_tcb(const DerItem& item, PckExtension& to) {
  if (item.tag != kSequence) return bad_extension("the TCB is not a SEQUENCE");
  ByteView rest = item.content;
  std::set<uint8_t> seen;
  while (!rest.empty()) {
    SgxMember member = TRY(next_member(rest));
    if (member.arcs.size() != 2 || member.arcs[0] != 2)
      return bad_extension("a member of the TCB has another name");
    const uint8_t arc = member.arcs[1];
    if (!seen.insert(arc).second) return bad_extension("a member of the TCB is there twice");
    if (arc >= 1 && arc <= 16)
      to.components[arc - 1] = static_cast<uint8_t>(TRY(small_number(member.value, 0xff)));
    if (arc == 17) to.pce_svn = TRY(small_number(member.value, 0xffff));
  }
  for (uint8_t arc = 1; arc <= 17; ++arc) {
    if (!seen.contains(arc)) return bad_extension("a version of the TCB is missing");
  }
  return {};
}

}  // namespace

Result<PckExtension> parse_pck_extension(ByteView content) {
  ByteView rest = content;
  DerItem all = TRY(next_item(rest));
  if (all.tag != kSequence || !rest.empty()) return bad_extension("not one SEQUENCE");
  PckExtension read;
  std::set<uint8_t> seen;
  rest = all.content;
  while (!rest.empty()) {
    SgxMember member = TRY(next_member(rest));
    if (member.arcs.size() != 1) return bad_extension("a member of another name");
    const uint8_t arc = member.arcs[0];
    if (!seen.insert(arc).second) return bad_extension("a member is there twice");
    if (arc == 2) TRY(read_tcb(member.value, read));
    if (arc == 3) TRY(copy_octets(member.value, read.pce_id));
    if (arc == 4) TRY(copy_octets(member.value, read.fmspc));
  }
  for (uint8_t arc : {2, 3, 4}) {
    if (!seen.contains(arc)) return bad_extension("TCB, PCEID or FMSPC is missing");
  }
  return read;
}

}  // namespace bartizan::attest::verify
