// Where the processor time of a build goes: each stage alone, with the library's own classes and
// buffers, over one layer. image_stages LAYOUT WORK: "name value unit" lines, processor seconds
// (user and system) per GiB of the file system. image_stages LAYOUT WORK FILE: the file system
// alone, unencrypted, into FILE.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/aes_xts.hpp"
#include "image/builder/filesystem_builder.hpp"
#include "image/layer/decompress.hpp"
#include "image/oci/blob.hpp"
#include "image/verity/leaf_hashes.hpp"

namespace {

using namespace bartizan;         // NOLINT: a program of a page
using namespace bartizan::image;  // NOLINT

constexpr size_t kPiece = 256 * 1024;
constexpr int kRounds = 3;  // the least counts: what other programs do only adds

double processor_seconds() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <typename Stage>
double least(Stage stage) {
  double best = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    double start = processor_seconds();
    stage();
    best = std::min(best, processor_seconds() - start);
  }
  return best;
}

class Nowhere : public image::filesystem::BlockSink {
 public:
  Result<void> write(uint64_t, ByteView) override { return {}; }
};

class FileSink : public image::filesystem::BlockSink {
 public:
  explicit FileSink(const char* name)
      : fd_(open_file(name, O_RDWR | O_CREAT | O_TRUNC).value()), name_(name) {}
  Result<void> write(uint64_t offset, ByteView bytes) override {
    return write_exactly(fd_.get(), bytes, offset, name_);
  }

 private:
  UniqueFd fd_;
  std::string name_;
};

// Reading and hashing the blobs, nothing else.
void drain(const image::oci::Layout& layout, const image::oci::SourceImage& source) {
  for (const image::oci::Descriptor& layer : source.layers)
    image::oci::BlobReader::open(layout, layer, nullptr).value()->skip(UINT64_MAX).value();
}

// The same, and decompressing what is compressed.
void inflate(const image::oci::Layout& layout, const image::oci::SourceImage& source) {
  for (const image::oci::Descriptor& layer : source.layers) {
    std::unique_ptr<image::tar::ByteSource> blob =
        image::oci::BlobReader::open(layout, layer, nullptr).value();
    image::layer::decompress(image::builder::compression_of(layer), std::move(blob), "layer")
        .value()
        ->skip(UINT64_MAX)
        .value();
  }
}

// All up to the file system's bytes.
uint64_t unpack(const image::oci::Layout& layout, const image::oci::SourceImage& source,
                image::filesystem::BlockSink& sink, const char* work) {
  ProgressSink none;
  Meter meter(none, "", 0);
  return image::builder::FilesystemBuilder(sink, work).build(layout, source, meter).value();
}

class Stages {
 public:
  Stages(const image::oci::Layout& layout, const char* work)
      : layout_(layout), work_(work), piece_(kPiece) {
    source_ = image::oci::read_layout(layout, "").value();
    size_ = unpack(layout, source_, nowhere_, work);
  }

  void run() {
    double digest = least([&] { drain(layout_, source_); });
    double inflated = least([&] { inflate(layout_, source_); });
    double all = least([&] { unpack(layout_, source_, nowhere_, work_); });
    print("source_digest", digest);
    print("decompress", std::max(0.0, inflated - digest));
    print("file_system", std::max(0.0, all - std::max(inflated, digest)));
    print("prediction",
          least([&] { image::builder::predict_filesystem(layout_, source_, work_, {}); }));
    print("encryption", least([&] { encrypt(); }));
    print("verity", least([&] { hash_leaves(); }));
    print("output_digest", least([&] { hash_output(); }));
    print("write_and_sync", least([&] { write(); }));
  }

 private:
  void print(const char* name, double seconds) const {
    std::printf("stage_%s %.3f s\n", name, seconds * (1 << 30) / static_cast<double>(size_));
  }
  template <typename Each>
  void each_piece(Each each) {
    for (uint64_t at = 0; at < size_; at += kPiece) each(at);
  }
  void encrypt() {
    Bytes key(64, 1);
    key[0] = 2;
    auto cipher =
        crypto::AesXts::create(key, kBlockSize, crypto::AesXts::Direction::encrypt).value();
    each_piece([&](uint64_t at) { cipher.process(piece_, piece_, at).value(); });
  }
  void hash_leaves() {
    auto leaves = image::verity::LeafHashes::create(work_, Bytes(32, 7)).value();
    each_piece([&](uint64_t at) { leaves.add(at / kBlockSize, piece_).value(); });
  }
  void hash_output() {
    crypto::Hasher hasher(crypto::HashKind::sha256);
    each_piece([&](uint64_t) { hasher.update(piece_); });
    hasher.finish();
  }
  void write() {
    std::string name = std::string(work_) + "/written";
    UniqueFd fd = open_file(name, O_RDWR | O_CREAT | O_TRUNC).value();
    ::unlink(name.c_str());
    each_piece([&](uint64_t at) { write_exactly(fd.get(), piece_, at, name).value(); });
    ::fsync(fd.get());
  }

  image::oci::Layout layout_;
  const char* work_;
  image::oci::SourceImage source_;
  Nowhere nowhere_;
  uint64_t size_ = 0;
  Bytes piece_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: image_stages LAYOUT WORK [FILE]\n");
    return 2;
  }
  if (argc == 4) {
    FileSink file(argv[3]);
    unpack(image::oci::Layout(argv[1]),
           image::oci::read_layout(image::oci::Layout(argv[1]), "").value(), file, argv[2]);
    return 0;
  }
  Stages(image::oci::Layout(argv[1]), argv[2]).run();
  return 0;
}
