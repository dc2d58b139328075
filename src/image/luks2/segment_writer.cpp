#include "image/luks2/segment_writer.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "crypto/aes_xts.hpp"

namespace bartizan::image {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
constexpr size_t kMaxWaiting = 8;    // buffers between the caller and the threads
constexpr unsigned kMaxThreads = 8;  // more only wait for the disk

}  // namespace

SegmentWriter::SegmentWriter(int fd, uint64_t start, const SecretBytes& volume_key,
                             std::string name, SegmentHashes hashes)
    : fd_(fd), start_(start), name_(std::move(name)), hashes_(hashes), key_(volume_key.clone()) {
  unsigned count = std::clamp(std::thread::hardware_concurrency(), 1u, kMaxThreads);
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { work(key_); });
  current_.bytes.reserve(kBufferBytes);
}

SegmentWriter::~SegmentWriter() {
  stop();
}

void SegmentWriter::stop() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Result<void> SegmentWriter::write(uint64_t offset, ByteView bytes) {
  if (offset != current_.offset + current_.bytes.size()) {
    TRY(submit());
    current_.offset = offset;
  }
  while (!bytes.empty()) {
    size_t part = std::min(bytes.size(), kBufferBytes - current_.bytes.size());
    current_.bytes.insert(current_.bytes.end(), bytes.begin(),
                          bytes.begin() + static_cast<ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (current_.bytes.size() == kBufferBytes) TRY(submit());
  }
  return {};
}

// Hands the current buffer to the threads and takes a spare one.
Result<void> SegmentWriter::submit() {
  uint64_t next = current_.offset + current_.bytes.size();
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return failure_ || waiting_.size() < kMaxWaiting; });
    if (failure_) return *failure_;
    if (!current_.bytes.empty()) waiting_.push_back(std::move(current_));
    current_ = {next, {}};
    if (!spare_.empty()) {
      current_.bytes = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  changed_.notify_all();
  current_.bytes.clear();
  current_.bytes.reserve(kBufferBytes);
  return {};
}

Result<void> SegmentWriter::finish() {
  TRY(submit());
  stop();
  if (failure_) return *failure_;
  return {};
}

Result<void> SegmentWriter::store(const Job& job) const {
  TRY(write_exactly(fd_, job.bytes, start_ + job.offset, name_));
  // On its way to the disk while we go on: the sync at the end has little left to wait for.
  ::sync_file_range(fd_, static_cast<off_t>(start_ + job.offset),
                    static_cast<off_t>(job.bytes.size()), SYNC_FILE_RANGE_WRITE);
  if (hashes_.leaves == nullptr) return {};
  return hashes_.leaves->add(hashes_.first_block + job.offset / kBlockSize, job.bytes);
}

void SegmentWriter::work(const SecretBytes& key) {
  auto cipher = crypto::AesXts::create(key.bytes(), kBlockSize, crypto::AesXts::Direction::encrypt);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty() || failure_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    changed_.notify_all();
    Result<void> done =
        cipher.ok() ? cipher->process(job.bytes, job.bytes, job.offset) : cipher.error();
    if (done.ok()) done = store(job);
    lock.lock();
    if (!done.ok() && !failure_) failure_ = done.error();
    if (failure_) changed_.notify_all();
    spare_.push_back(std::move(job.bytes));
  }
}

}  // namespace bartizan::image
