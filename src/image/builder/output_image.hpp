// The output layer: a plain tar with the five files, and a sixth if the owner signed. The disk is
// made at its final place in it, at a multiple of 4096 bytes; a comment before it fills what is
// left of the space. Only the manifest, which holds the disk's root hash, and the owner's statement
// about it come after it: so the layer can be hashed from its first byte on while the disk is being
// made.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::builder {

ByteView entrypoint_program();

class OutputLayer {
 public:
  // `path` must not exist; the layer begins at its byte `origin`, a multiple of 4096.
  static Result<OutputLayer> create(const std::filesystem::path& path, uint64_t origin,
                                    std::string krun_json);

  int fd() const { return fd_.get(); }
  uint64_t disk_start() const { return origin_ + disk_start_; }  // in the file

  // For a disk that will probably have that size: the hash that receives it, from its first byte
  // on, as it is written. Lives as long as this object.
  crypto::Hasher* begin_hashing(uint64_t disk_size);

  struct Finished {
    std::string hex;  // SHA-256
    uint64_t size = 0;
    uint64_t disk_bytes = 0;  // with the KRUN footer
  };
  // With the disk in its place: writes all the rest, hashes what was not hashed yet and syncs.
  // `hashed_bytes`: how much of the disk went through the hasher of begin_hashing().
  // `statement`: the owner's about its version; empty: none.
  Result<Finished> finish(ByteView manifest, std::string_view statement, uint64_t disk_size,
                          uint64_t hashed_bytes, const ProgressSink& progress);

 private:
  OutputLayer(UniqueFd fd, std::string name, std::string krun_json, uint64_t origin,
              uint64_t disk_start)
      : fd_(std::move(fd)),
        name_(std::move(name)),
        krun_json_(std::move(krun_json)),
        origin_(origin),
        disk_start_(disk_start) {}
  Bytes front(uint64_t disk_size) const;
  Result<std::string> hash_from(uint64_t at, uint64_t size, const ProgressSink& progress);

  UniqueFd fd_;
  std::string name_, krun_json_;
  uint64_t origin_, disk_start_;  // of the layer in the file, of the disk in the layer
  crypto::Hasher hasher_{crypto::HashKind::sha256};
  Bytes hashed_front_;  // the bytes before the disk, hashed; empty: nothing was hashed
};

}  // namespace bartizan::image::builder
