#include "attest/https/peer_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/errors.hpp"

namespace bartizan::attest::https {
namespace {

constexpr size_t kV4Offset = 12;
constexpr int kV4PrefixBits = 96;
constexpr std::array<uint8_t, kV4Offset> kV4Prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

PeerAddress of_v4(const void* bytes) {
  PeerAddress address;
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes.begin());
  std::memcpy(address.bytes.data() + kV4Offset, bytes, 4);
  return address;
}

PeerAddress cut(PeerAddress address, int bits) {
  for (int i = 0; i < 16; ++i) {
    int kept = std::clamp(bits - 8 * i, 0, 8);
    address.bytes[static_cast<size_t>(i)] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return address;
}

Error no_prefix(std::string_view text, std::string_view why) {
  return invalid("attest/https",
                 "\"{}\": {}; an address or a prefix is expected, such as 192.0.2.1, 10.0.0.0/8 "
                 "or fd00::/8",
                 text, why);
}

}  // namespace

bool PeerAddress::is_v4() const {
  return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin());
}

std::string PeerAddress::text() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) {
    inet_ntop(AF_INET, bytes.data() + kV4Offset, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

PeerAddress PeerAddress::group() const {
  return is_v4() ? *this : cut(*this, 64);
}

std::optional<PeerAddress> parse_peer_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::string whole(text);
  uint8_t v4[4];
  if (inet_pton(AF_INET, whole.c_str(), v4) == 1) return of_v4(v4);
  PeerAddress address;
  if (inet_pton(AF_INET6, whole.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

PeerAddress peer_address_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET)
    return of_v4(&reinterpret_cast<const sockaddr_in*>(&address)->sin_addr);
  PeerAddress result;
  if (address.ss_family == AF_INET6) {
    std::memcpy(result.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr,
                result.bytes.size());
  }
  return result;
}

std::string group_of(const std::string& address) {
  auto parsed = parse_peer_address(address);
  return parsed ? parsed->group().text() : address;
}

bool AddressPrefix::contains(const PeerAddress& other) const {
  return cut(other, bits) == address;
}

Result<AddressPrefix> parse_address_prefix(std::string_view text) {
  size_t slash = std::min(text.find('/'), text.size());
  auto address = parse_peer_address(text.substr(0, slash));
  if (!address) return no_prefix(text, "no address of IPv4 or IPv6");
  AddressPrefix prefix{*address, 128};
  if (slash < text.size()) {
    std::string_view digits = text.substr(slash + 1);
    const int most = address->is_v4() ? 32 : 128;
    int bits = -1;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 || bits > most)
      return no_prefix(text, fmt::format("the length of the prefix is not 0 to {}", most));
    prefix.bits = address->is_v4() ? kV4PrefixBits + bits : bits;
  }
  if (cut(prefix.address, prefix.bits) == prefix.address) return prefix;
  return no_prefix(text, "the address has bits behind the prefix");
}

}  // namespace bartizan::attest::https
