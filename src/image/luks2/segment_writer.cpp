#include "image/luks2/segment_writer.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/thread.hpp"
#include "base/units.hpp"

namespace bartizan::image::luks2 {
namespace {

// Stays in a cache while it is encrypted, written and hashed; smaller ones measure slower.
constexpr size_t kBufferBytes = 512 * kKiB;
constexpr size_t kMaxBusy = 32;  // buffers between the caller and the end of their way
constexpr uint64_t kFlushBytes = 8 * kMiB;
constexpr unsigned kMaxThreads = 8;  // more only wait for the disk

}  // namespace

SegmentWriter::SegmentWriter(int fd, uint64_t start, const SecretBytes& volume_key,
                             std::string name, SegmentHashes hashes)
    : fd_(fd), start_(start), name_(std::move(name)), hashes_(hashes), key_(volume_key.clone()) {
  start_threads();
  current_.bytes.reserve(kBufferBytes);
}

// One thread would do: only a system that refuses even that ends the build, at its next write.
void SegmentWriter::start_threads() {
  unsigned count = std::clamp(std::thread::hardware_concurrency(), 1u, kMaxThreads);
  for (unsigned i = 0; i < count; ++i) {
    auto thread = start_thread("encryption", [this] { work_or_fail(); });
    if (!thread.ok() && threads_.empty()) fail(thread.error());
    if (!thread.ok()) return;
    threads_.push_back(*std::move(thread));
  }
}

void SegmentWriter::fail(Error error) {
  {
    MutexLock lock(mutex_);
    if (!failure_) failure_ = std::move(error);
  }
  changed_.notify_all();
}

void SegmentWriter::work_or_fail() {
  auto worked = call_guarded(name_, [this] { work(); });
  if (!worked.ok()) fail(worked.error());
}

SegmentWriter::~SegmentWriter() {
  stop();
}

void SegmentWriter::stop() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Result<void> SegmentWriter::write(uint64_t offset, ByteView bytes) {
  if (offset != current_.offset + current_.bytes.size()) {
    TRY(submit());
    // Two threads must not write one block: what was written there before is complete first.
    if (offset < current_.offset) TRY(wait_until_idle());
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
    MutexLock lock(mutex_);
    while (!failure_ && busy_ >= kMaxBusy) changed_.wait(lock);
    if (failure_) return *failure_;
    if (!current_.bytes.empty()) {
      waiting_.push_back(std::move(current_));
      ++busy_;
    }
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

Result<void> SegmentWriter::wait_until_idle() {
  MutexLock lock(mutex_);
  while (!failure_ && busy_ != 0) changed_.wait(lock);
  return failure_ ? Result<void>(*failure_) : Result<void>();
}

Result<void> SegmentWriter::finish() {
  TRY(submit());
  stop();
  MutexLock lock(mutex_);
  if (failure_) return *failure_;
  return {};
}

Result<void> SegmentWriter::process(crypto::AesXts& cipher, Job& job) const {
  TRY(cipher.process(job.bytes, job.bytes, job.offset));
  TRY(store(job));
  if (hashes_.leaves == nullptr) return {};
  return hashes_.leaves->add(hashes_.first_block + job.offset / kBlockSize, job.bytes);
}

Result<void> SegmentWriter::store(const Job& job) const {
  TRY(write_exactly(fd_, job.bytes, start_ + job.offset, name_));
  // On its way to the disk while we go on, in pieces that suit a disk: the sync at the end has
  // little left to wait for.
  uint64_t end = job.offset + job.bytes.size();
  if (end / kFlushBytes == job.offset / kFlushBytes) return {};
  uint64_t from = start_ + align_down(job.offset, kFlushBytes);
  ::sync_file_range(fd_, static_cast<off_t>(from), kFlushBytes, SYNC_FILE_RANGE_WRITE);
  return {};
}

void SegmentWriter::work() {
  auto cipher =
      crypto::AesXts::create(key_.bytes(), kBlockSize, crypto::AesXts::Direction::encrypt);
  MutexLock lock(mutex_);
  for (;;) {
    while (!closing_ && waiting_.empty()) changed_.wait(lock);
    if (waiting_.empty() || failure_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Result<void> done = cipher.ok() ? process(*cipher, job) : cipher.error();
    lock.lock();
    if (!done.ok() && !failure_) failure_ = done.error();
    if (failure_) changed_.notify_all();
    pass_on(std::move(job));
  }
}

// To the stream, whose turn comes in order: the thread that brings what it waits for hashes that
// and all that has queued up behind it, while the others go on.
void SegmentWriter::pass_on(Job job) {
  if (hashes_.stream == nullptr || job.offset < hashed_) return recycle(std::move(job.bytes));
  passed_.emplace(job.offset, std::move(job.bytes));
  if (streaming_) return;
  streaming_ = true;
  while (!passed_.empty() && passed_.begin()->first == hashed_) {
    Bytes bytes = std::move(passed_.begin()->second);
    passed_.erase(passed_.begin());
    mutex_.unlock();
    auto hashed = call_guarded(name_, [&] { hashes_.stream->update(bytes); });
    mutex_.lock();
    if (!hashed.ok() && !failure_) failure_ = hashed.error();
    hashed_ += bytes.size();
    recycle(std::move(bytes));
  }
  streaming_ = false;
}

void SegmentWriter::recycle(Bytes buffer) {
  spare_.push_back(std::move(buffer));
  --busy_;
  changed_.notify_all();
}

}  // namespace bartizan::image::luks2
