// FileSource: a part of a file as a ByteSource; passes over bytes by moving on, without reading.
#pragma once

#include <string>

#include "base/file.hpp"
#include "image/tar/byte_source.hpp"

namespace bartizan::image::tar {

class FileSource : public ByteSource {
 public:
  // `fd` is borrowed; `name` is for errors.
  FileSource(int fd, uint64_t offset, uint64_t size, std::string name)
      : fd_(fd), offset_(offset), size_(size), name_(std::move(name)) {}
  Result<size_t> read(std::span<uint8_t> to) override {
    size_t count = std::min<uint64_t>(to.size(), size_ - at_);
    TRY(read_exactly(fd_, to.first(count), offset_ + at_, name_));
    at_ += count;
    return count;
  }
  Result<uint64_t> skip(uint64_t count) override {
    uint64_t part = std::min(count, size_ - at_);
    at_ += part;
    return part;
  }

 private:
  int fd_;
  uint64_t offset_, size_, at_ = 0;
  std::string name_;
};

}  // namespace bartizan::image::tar
