#include "image/layer/decompress.hpp"

#include <zlib.h>
#include <zstd.h>

#include "base/units.hpp"

namespace bartizan::image::layer {
namespace {

constexpr size_t kInputBytes = 128 * kKiB;
// A small blob that unpacks without end is a bomb that wants our CPU and the user's disk.
// Legitimate layers of zeros may reach any ratio in zstd, so the first bytes are free and only what
// follows must be in proportion (deflate itself cannot exceed 1032).
constexpr uint64_t kFreeBytes = 4 * kGiB;
constexpr uint64_t kMaxRatio = 1100;
// A zstd frame may ask for a window of its own size; 128 MiB is what the reference tools accept by
// default.
constexpr int kMaxZstdWindowLog = 27;

// What both decompressors share: the input buffer and the watch on proportion.
class Decompressor : public tar::ByteSource {
 protected:
  Decompressor(std::unique_ptr<tar::ByteSource> source, std::string what)
      : source_(std::move(source)), what_(std::move(what)), input_(kInputBytes) {}

  // False at the end of the input.
  Result<bool> refill() {
    begin_ = 0;
    end_ = TRY(source_->read(input_));
    consumed_ += end_;
    return end_ != 0;
  }

  Result<void> produced(uint64_t count) {
    produced_ += count;
    if (produced_ > kFreeBytes && produced_ / kMaxRatio > consumed_) {
      return make_error(ErrorCode::resource_exhausted, "image/layer",
                        "{}: {} bytes grow to more than {}: limit of expansion", what_, consumed_,
                        produced_);
    }
    return {};
  }

  Error damaged(std::string_view why) const {
    return make_error(ErrorCode::corrupt, "image/layer", "{}: {}", what_, why);
  }

  std::unique_ptr<tar::ByteSource> source_;
  std::string what_;
  Bytes input_;
  size_t begin_ = 0, end_ = 0;  // unread part of input_
  uint64_t consumed_ = 0, produced_ = 0;
};

class Gzip : public Decompressor {
 public:
  Gzip(std::unique_ptr<tar::ByteSource> source, std::string what)
      : Decompressor(std::move(source), std::move(what)) {}
  ~Gzip() override {
    if (ready_) inflateEnd(&stream_);
  }

  Result<void> start() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) {
      return make_error(ErrorCode::resource_exhausted, "image/layer", "{}: no memory for gzip",
                        what_);
    }
    ready_ = true;
    return {};
  }

  Result<size_t> read(std::span<uint8_t> to) override {
    for (;;) {
      if (begin_ == end_ && !TRY(refill())) {
        if (inside_) return damaged("gzip stream is cut off");
        return size_t{0};
      }
      size_t got = TRY(step(to));
      if (got != 0) return got;
    }
  }

 private:
  Result<size_t> step(std::span<uint8_t> to) {
    stream_.next_in = input_.data() + begin_;
    stream_.avail_in = static_cast<uInt>(end_ - begin_);
    stream_.next_out = to.data();
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(to.size(), kGiB));
    uInt space = stream_.avail_out;
    inside_ = true;
    int status = inflate(&stream_, Z_NO_FLUSH);
    begin_ = end_ - stream_.avail_in;
    if (status == Z_STREAM_END) {
      inside_ = false;
      inflateReset(&stream_);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return damaged(stream_.msg ? stream_.msg : "gzip data is damaged");
    }
    size_t got = space - stream_.avail_out;
    TRY(produced(got));
    return got;
  }

  z_stream stream_{};
  bool ready_ = false;
  bool inside_ = false;  // a member
};

class Zstd : public Decompressor {
 public:
  Zstd(std::unique_ptr<tar::ByteSource> source, std::string what)
      : Decompressor(std::move(source), std::move(what)), stream_(ZSTD_createDStream()) {}
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  Result<void> start() {
    if (stream_ == nullptr ||
        ZSTD_isError(ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxZstdWindowLog))) {
      return make_error(ErrorCode::resource_exhausted, "image/layer", "{}: no memory for zstd",
                        what_);
    }
    return {};
  }

  Result<size_t> read(std::span<uint8_t> to) override {
    for (;;) {
      if (begin_ == end_ && !pending_ && !TRY(refill())) {
        if (inside_) return damaged("zstd stream is cut off");
        return size_t{0};
      }
      ZSTD_inBuffer in{input_.data(), end_, begin_};
      ZSTD_outBuffer out{to.data(), to.size(), 0};
      size_t hint = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(hint)) return damaged(ZSTD_getErrorName(hint));
      begin_ = in.pos;
      inside_ = hint != 0;
      pending_ = inside_ && out.pos == out.size;  // more output may wait inside the decoder
      TRY(produced(out.pos));
      if (out.pos != 0) return out.pos;
    }
  }

 private:
  ZSTD_DStream* stream_;
  bool inside_ = false;  // a frame
  bool pending_ = false;
};

template <typename Kind>
Result<std::unique_ptr<tar::ByteSource>> started(std::unique_ptr<tar::ByteSource> source,
                                                 std::string what) {
  auto decompressor = std::make_unique<Kind>(std::move(source), std::move(what));
  TRY(decompressor->start());
  return std::unique_ptr<tar::ByteSource>(std::move(decompressor));
}

}  // namespace

Result<std::unique_ptr<tar::ByteSource>> decompress(Compression compression,
                                                    std::unique_ptr<tar::ByteSource> source,
                                                    std::string what) {
  switch (compression) {
    case Compression::gzip:
      return started<Gzip>(std::move(source), std::move(what));
    case Compression::zstd:
      return started<Zstd>(std::move(source), std::move(what));
    case Compression::none:
      break;
  }
  return source;
}

}  // namespace bartizan::image::layer
