#include "image/builder/confidential_disk.hpp"

#include <sys/mman.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "image/luks2/header.hpp"
#include "image/luks2/segment_writer.hpp"
#include "image/verity/leaf_hashes.hpp"
#include "image/verity/tree.hpp"

namespace bartizan::image::builder {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";

// libcryptsetup reads files only: one in memory, with a block of data behind the header, as it
// wants a device that holds a segment.
Result<UniqueFd> file_in_memory() {
  UniqueFd file(::memfd_create("luks2-header", MFD_CLOEXEC));
  if (!file.valid()) return errno_error(errno, kOrigin, "memfd_create");
  TRY(write_exactly(file.get(), Bytes(luks2::kLuksHeaderBytes + kBlockSize), 0,
                    "LUKS2 header in memory"));
  return file;
}

Result<void> check_opens(const fs::path& path, const SecretBytes& disk_key,
                         const DiskSecrets& secrets) {
  SecretBytes key = TRY(luks2::open_luks2(path, disk_key));
  if (key.equals(secrets.luks.volume_key)) return {};
  return make_error(ErrorCode::internal, kOrigin, "LUKS2 header: opens to another volume key");
}

}  // namespace

uint64_t disk_bytes_for(uint64_t filesystem_bytes) {
  constexpr uint64_t kVeritySuperblock = kBlockSize;
  uint64_t data = luks2::kLuksHeaderBytes + filesystem_bytes;
  return data + kVeritySuperblock + verity::verity_tree_blocks(data / kBlockSize) * kBlockSize;
}

Result<LuksHeader> make_checked_header(const DiskSecrets& secrets) {
  LuksHeader header;
  UniqueFd file = TRY(file_in_memory());
  fs::path path = fmt::format("/proc/self/fd/{}", file.get());
  if (secrets.luks.stripes.empty()) {
    TRY(luks2::format_luks2(path, secrets.luks));
    header.bytes.resize(luks2::kLuksHeaderBytes);
    TRY(read_exactly(file.get(), header.bytes, 0, "LUKS2 header in memory"));
  } else {
    header.bytes = TRY(luks2::make_luks2_header(secrets.luks));
    TRY(write_exactly(file.get(), header.bytes, 0, "LUKS2 header in memory"));
  }
  header.numbers = TRY(luks2::read_luks2(path));
  TRY(check_opens(path, secrets.luks.disk_key, secrets));
  if (!secrets.luks.recovery.empty()) TRY(check_opens(path, secrets.luks.recovery, secrets));
  return header;
}

Result<DiskTotals> make_disk(const DiskPlace& place, const DiskSource& source,
                             const DiskSecrets& secrets, ByteView header,
                             guest_abi::Manifest& manifest, const ProgressSink& progress) {
  verity::LeafHashes hashes = TRY(verity::LeafHashes::create(place.folder, secrets.verity_salt));
  TRY(write_exactly(place.fd, header, place.start, place.name));
  TRY(hashes.add(0, header));
  if (place.stream != nullptr) place.stream->update(header);
  luks2::SegmentWriter segment(place.fd, place.start + luks2::kLuksHeaderBytes,
                               secrets.luks.volume_key, place.name,
                               {&hashes, luks2::kLuksHeaderBytes / kBlockSize, place.stream});
  PredictedSuperblockSink sink(segment, place.stream != nullptr ? place.prediction : nullptr);
  TRY(sink.begin());
  FilesystemBuilder builder(sink, place.folder);
  const bool foreign = source.foreign != nullptr;
  Meter layers(progress, "layers",
               foreign ? source.foreign->used_bytes() : bytes_of(source.image.layers));
  builder.check_process(source.process);
  if (foreign) builder.read_from(*source.foreign);
  manifest.luks2.size = TRY(builder.build(source.layout, source.image, layers));
  TRY(segment.finish());
  uint64_t data_end = manifest.luks2.offset + manifest.luks2.size;
  Meter meter(progress, "integrity", data_end);
  TRY(meter.advance(0));
  manifest.verity =
      TRY(hashes.write_tree(place.fd, place.start, data_end, secrets.verity_uuid, place.name));
  manifest.disk_size = disk_bytes_for(manifest.luks2.size);
  TRY(meter.advance(data_end));
  const auto& totals = builder.totals();
  return DiskTotals{totals.entries, totals.content_bytes, sink.prediction_held() ? data_end : 0};
}

}  // namespace bartizan::image::builder
