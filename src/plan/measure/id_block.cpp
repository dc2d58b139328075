// The public interface of plan/tee/snp/id_block: keys from files, bytes out.
#include "plan/tee/snp/id_block.hpp"

#include <fcntl.h>

#include <algorithm>

#include "bartizan/tee.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan {
namespace {

namespace snp = plan::tee::snp;

constexpr uint64_t kMaxKeyFileBytes = 64 * kKiB;  // a PEM of a key is some 300 bytes

Result<crypto::EcKey> read_key(const std::filesystem::path& path) {
  auto fd = TRY(open_file(path, O_RDONLY));
  uint64_t size = TRY(file_size(fd.get(), path));
  if (size > kMaxKeyFileBytes) {
    return make_error(ErrorCode::invalid_argument, "plan/measure/id_block",
                      "{}: {} bytes, too large for a key in PEM", path.string(), size);
  }
  SecretBytes pem(size);
  TRY(read_exactly(fd.get(), pem.mutable_bytes(), 0, path.string()));
  return crypto::EcKey::from_private_pem(pem);
}

Result<snp::IdBlockFields> fields_of(const IdBlockOptions& options) {
  snp::IdBlockFields fields;
  if (options.digest.size() != fields.launch_digest.size()) {
    return make_error(ErrorCode::invalid_argument, "plan/measure/id_block",
                      "launch digest of {} bytes: an ID block holds {}", options.digest.size(),
                      fields.launch_digest.size());
  }
  std::ranges::copy(options.digest, fields.launch_digest.begin());
  fields.family_id = options.family_id;
  fields.image_id = options.image_id;
  fields.guest_svn = options.guest_svn;
  fields.policy = options.policy;
  return fields;
}

std::vector<uint8_t> to_vector(const crypto::Sha384Digest& digest) {
  return {digest.begin(), digest.end()};
}

}  // namespace

Result<IdBlock> make_id_block(const IdBlockOptions& options) {
  const auto block = snp::id_block(TRY(fields_of(options)));
  auto id_key = TRY(read_key(options.id_key));
  std::optional<crypto::EcKey> author_key;
  if (!options.author_key.empty()) author_key = TRY(read_key(options.author_key));
  IdBlock made;
  made.block.assign(block.begin(), block.end());
  made.authentication = TRY(snp::id_auth(block, id_key, author_key));
  made.id_key_digest = to_vector(TRY(snp::key_digest(id_key)));
  if (author_key) made.author_key_digest = to_vector(TRY(snp::key_digest(*author_key)));
  return made;
}

}  // namespace bartizan
