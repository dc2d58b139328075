// SegmentWriter: a block sink that encrypts (AES-XTS, 4096-byte sectors), hashes the ciphertext and
// writes it to a file, on several threads. Memory is bounded: a few buffers of 512 KiB. One thread
// calls; the plaintext never leaves memory.
//
// caller ──fills──> waiting ──any thread: encrypt, write, leaf hashes──> passed ──in order, one
//   ^                                                                    thread at a time──┐
//   └────────────────────────────────── spare <───────────────────────────── stream hash ──┘
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bartizan/secret_bytes.hpp"
#include "base/mutex.hpp"
#include "crypto/aes_xts.hpp"
#include "crypto/hash.hpp"
#include "image/filesystem/block_sink.hpp"
#include "image/verity/leaf_hashes.hpp"

namespace bartizan::image::luks2 {

struct SegmentHashes {
  const verity::LeafHashes* leaves = nullptr;  // hashes each block that is written; optional
  uint64_t first_block = 0;                    // number there of the segment's first block
  // Optional: hashes the ciphertext in order. Writes must then begin at offset 0 and leave
  // no gap. What is written again, after a jump back, is not hashed again.
  crypto::Hasher* stream = nullptr;
};

class SegmentWriter : public filesystem::BlockSink {
 public:
  // Writes to `fd` (borrowed) from byte `start` on. `name` appears in errors.
  SegmentWriter(int fd, uint64_t start, const SecretBytes& volume_key, std::string name,
                SegmentHashes hashes = {});
  ~SegmentWriter() override;  // without finish(): aborts; the output is incomplete

  Result<void> write(uint64_t offset, ByteView bytes) override;
  // Waits until all is written. Fails if a part of it could not be.
  Result<void> finish();

 private:
  struct Job {
    uint64_t offset = 0;
    Bytes bytes;
  };
  void work();
  void work_or_fail();
  void fail(Error error);
  Result<void> process(crypto::AesXts& cipher, Job& job) const;
  Result<void> store(const Job& job) const;
  void pass_on(Job job) BARTIZAN_REQUIRES(mutex_);
  void recycle(Bytes buffer) BARTIZAN_REQUIRES(mutex_);
  Result<void> submit();
  Result<void> wait_until_idle();
  void start_threads();
  void stop();

  const int fd_;
  const uint64_t start_;
  const std::string name_;
  const SegmentHashes hashes_;
  SecretBytes key_;
  Job current_;  // being filled by the caller

  Mutex mutex_;
  Condition changed_;
  std::deque<Job> waiting_ BARTIZAN_GUARDED_BY(mutex_);
  // Written, not hashed by the stream yet; by offset.
  std::map<uint64_t, Bytes> passed_ BARTIZAN_GUARDED_BY(mutex_);
  std::vector<Bytes> spare_ BARTIZAN_GUARDED_BY(mutex_);
  // Buffers that are not spare, without the caller's.
  size_t busy_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint64_t hashed_ BARTIZAN_GUARDED_BY(mutex_) = 0;     // bytes, by the stream
  bool streaming_ BARTIZAN_GUARDED_BY(mutex_) = false;  // a thread feeds the stream
  std::optional<Error> failure_ BARTIZAN_GUARDED_BY(mutex_);
  bool closing_ BARTIZAN_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;
};

}  // namespace bartizan::image::luks2
