#include "attest/evidence/vcek_extensions.hpp"

#include "base/errors.hpp"

namespace bartizan::attest::evidence {
namespace {

Error corrupt(std::string_view oid, std::string_view what) {
  return make_error(ErrorCode::corrupt, "attest/evidence", "VCEK certificate: extension {}: {}",
                    oid, what);
}

// A DER INTEGER of 0 … 255. KDS writes 128 and above with a leading zero byte.
Result<uint8_t> small_integer(const crypto::Certificate& vcek, std::string_view oid) {
  std::optional<Bytes> content = vcek.extension(oid);
  if (!content) return corrupt(oid, "missing, or there twice");
  const Bytes& der = *content;
  if (der.size() == 3 && der[0] == 2 && der[1] == 1 && der[2] < 0x80) return der[2];
  if (der.size() == 4 && der[0] == 2 && der[1] == 2 && der[2] == 0 && der[3] >= 0x80) return der[3];
  return corrupt(oid, "not an INTEGER of 0 to 255: " + to_hex(der));
}

// Raw bytes, or once more wrapped as an OCTET STRING: both forms are in the field.
Result<Bytes> hardware_id(const crypto::Certificate& vcek) {
  std::optional<Bytes> content = vcek.extension(kOidHardwareId);
  if (!content) return corrupt(kOidHardwareId, "missing, or there twice");
  Bytes id = *content;
  if ((id.size() == 66 || id.size() == 10) && id[0] == 4 && id[1] == id.size() - 2)
    id.erase(id.begin(), id.begin() + 2);
  if (id.size() != 64 && id.size() != 8)
    return corrupt(kOidHardwareId, fmt::format("{} bytes", id.size()));
  return id;
}

// An IA5String; what names no product is not guessed at.
Result<std::string> product_name(const crypto::Certificate& vcek) {
  std::optional<Bytes> content = vcek.extension(kOidProductName);
  if (!content) return std::string();
  const Bytes& der = *content;
  if (der.size() < 2 || der.size() > 64 || der[0] != 0x16 || der[1] != der.size() - 2)
    return corrupt(kOidProductName, "not an IA5String: " + to_hex(der));
  return std::string(as_text(ByteView(der).subspan(2)));
}

}  // namespace

Result<VcekExtensions> read_vcek_extensions(const crypto::Certificate& vcek, Product product) {
  VcekExtensions read;
  read.tcb.bootloader = TRY(small_integer(vcek, kOidBootloader));
  read.tcb.tee = TRY(small_integer(vcek, kOidTee));
  read.tcb.snp = TRY(small_integer(vcek, kOidSnp));
  read.tcb.microcode = TRY(small_integer(vcek, kOidMicrocode));
  if (product == Product::turin) read.tcb.fmc = TRY(small_integer(vcek, kOidFmc));
  read.product_name = TRY(product_name(vcek));
  const bool of_provider = vcek.extension(kOidProvider).has_value();
  if (!of_provider || vcek.extension(kOidHardwareId)) read.hardware_id = TRY(hardware_id(vcek));
  return read;
}

}  // namespace bartizan::attest::evidence
