// The certificates of an AMD platform that launches SEV and SEV-ES guests: PDH <- PEK <- {OCA,
// CEK}, CEK <- ASK <- ARK (SEV API, chapter 2 and appendices B and C). The form is AMD's own, not
// X.509.
//
// Input is what `sevctl export --full` writes: PDH, PEK, OCA, CEK (2084 bytes each), ASK, ARK (by
// their key sizes). It comes from the host, and so from an attacker.
#pragma once

#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/ec.hpp"

namespace bartizan::attest::sev {

// Two keys of 4096 bits are the most; an attacker's longer file is not read.
constexpr size_t kMaxChainBytes = 4 * 2084 + 2 * (64 + 3 * 512);

struct Platform {
  crypto::EcKey diffie_hellman;  // the PDH's public key: who has its private half is that firmware
  Bytes chip;                    // SHA-256 of the CEK: one chip, whoever owns it
};

// The platform, if every link holds and the ARK is AMD's or, byte for byte up to its signature, one
// of `roots`. PEKs and OCAs are the host owner's to make; what counts is that the chip's CEK signed
// the PEK, and AMD the CEK. corrupt: not such a file. verification_failed, reason
// "certificate_chain", names the link.
Result<Platform> verify_platform_chain(ByteView chain, const std::vector<Bytes>& roots);

// A root as BrokerOptions takes it: an ARK in AMD's form, with or without its signature. corrupt
// otherwise.
Result<void> check_root(ByteView ark);

// A Diffie-Hellman certificate around `key`, as LAUNCH_START wants an owner's: unsigned.
Bytes owner_certificate(const crypto::EcKey& key);

}  // namespace bartizan::attest::sev
