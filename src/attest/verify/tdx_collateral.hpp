// Intel's collateral for TDX quotes (PCS API version 4): TCB info, identity of the quoting enclave,
// revocation lists, and the chains that sign them; in one JSON object, as Evidence::collateral has
// it. Parsing only: nothing here is trusted before its signature was checked over the bytes.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {

constexpr size_t kMaxCollateralJson = 512 * kKiB;
constexpr size_t kMaxTcbLevels = 256;  // Intel's have some ten

// A document that Intel signs: its bytes, and who signed them.
struct SignedDocument {
  std::string text;
  Bytes signature;                           // 64: r, s
  std::vector<crypto::Certificate> issuers;  // signer, root
  crypto::Sha256Digest digest{};             // of text and signature
  int64_t issued = 0, next_update = 0;
  uint64_t evaluation_number = 0;
};

// One row of a table of versions: the first that a platform reaches has its status.
struct TcbLevel {
  std::array<uint8_t, 16> sgx{}, tdx{};
  uint32_t pce_svn = 0, isv_svn = 0;
  std::string status;
  std::vector<std::string> advisories;
};

struct TdxModuleIdentity {
  std::string id;  // "TDX_03"
  Bytes mr_signer;
  uint64_t attributes = 0, attributes_mask = 0;
  std::vector<TcbLevel> levels;  // isv_svn
};

struct TcbInfo {
  SignedDocument document;
  std::string id;  // "TDX"
  uint64_t version = 0;
  Bytes fmspc, pce_id;
  TdxModuleIdentity module;  // of modules without a version of their own
  std::vector<TdxModuleIdentity> modules;
  std::vector<TcbLevel> levels;
};

struct QeIdentity {
  SignedDocument document;
  std::string id;  // "TD_QE"
  uint64_t version = 0;
  uint32_t misc_select = 0, misc_select_mask = 0;
  Bytes attributes, attributes_mask, mr_signer;
  uint32_t isv_prod_id = 0;
  std::vector<TcbLevel> levels;  // isv_svn
};

struct TdxCollateral {
  TcbInfo tcb_info;
  QeIdentity qe_identity;
  crypto::RevocationList root_list, pck_list;
  std::vector<crypto::Certificate> pck_list_issuers;
};

// corrupt: not JSON, a member is missing or of a wrong kind or size.
Result<TdxCollateral> parse_tdx_collateral(std::string_view json);

}  // namespace bartizan::attest::verify
