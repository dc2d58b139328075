// The output layer: a plain tar with the five files, /disk.img last. The disk is made at its final
// place in it, at a multiple of 4096 bytes; a comment before it fills what is left of the space.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::image {

constexpr std::string_view kEntrypointFile = "entrypoint", kKrunFile = "krun-sev.json",
                           kManifestFile = "bartizan.json", kDiskFile = "disk.img";

ByteView entrypoint_program();

class OutputLayer {
 public:
  // `path` must not exist; the layer begins at its byte `origin`, a multiple of 4096.
  // `manifest_bytes`: size of the manifest as long as the disk's sizes and its root hash are
  // missing.
  static Result<OutputLayer> create(const std::filesystem::path& path, uint64_t origin,
                                    std::string krun_json, size_t manifest_bytes);

  int fd() const { return fd_.get(); }
  uint64_t disk_start() const { return origin_ + disk_start_; }  // in the file

  struct Finished {
    std::string hex;  // SHA-256
    uint64_t size = 0;
    uint64_t disk_bytes = 0;  // with the KRUN footer
  };
  // With the disk in its place: writes all the rest, hashes the whole and syncs it.
  Result<Finished> finish(ByteView manifest, uint64_t disk_size, const ProgressSink& progress);

 private:
  OutputLayer(UniqueFd fd, std::string name, std::string krun_json, uint64_t origin,
              uint64_t disk_start)
      : fd_(std::move(fd)),
        name_(std::move(name)),
        krun_json_(std::move(krun_json)),
        origin_(origin),
        disk_start_(disk_start) {}
  Result<std::string> hash(uint64_t size, const ProgressSink& progress) const;

  UniqueFd fd_;
  std::string name_, krun_json_;
  uint64_t origin_, disk_start_;  // of the layer in the file, of the disk in the layer
};

}  // namespace bartizan::image
