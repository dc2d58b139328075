// The output layer: a plain tar with the five files, /disk.img last, hashed while it is written.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::image {

constexpr std::string_view kEntrypointFile = "entrypoint", kKrunFile = "krun-sev.json",
                           kManifestFile = "bartizan.json", kDiskFile = "disk.img";

ByteView entrypoint_program();

struct OutputLayer {
  std::string hex;  // SHA-256
  uint64_t size = 0;
  uint64_t disk_bytes = 0;
};

// Writes `layer` from the disk at `disk`, behind which the KRUN footer goes. Synced to disk at the
// end.
Result<OutputLayer> write_output_layer(const std::filesystem::path& layer,
                                       const std::filesystem::path& disk, ByteView manifest,
                                       const std::string& krun_json, const ProgressSink& progress);

}  // namespace bartizan::image
