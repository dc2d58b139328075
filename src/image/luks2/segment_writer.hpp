// SegmentWriter: a block sink that encrypts (AES-XTS, 4096-byte sectors), hashes the ciphertext and
// writes it to a file, on several threads. Memory is bounded: a few buffers of 512 KiB. One thread
// calls; the plaintext never leaves memory.
//
// caller ──fills──> waiting ──any thread: encrypt, write, leaf hashes──> passed ──in order, one
//   ^                                                                    thread at a time──┐
//   └────────────────────────────────── spare <───────────────────────────── stream hash ──┘
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bartizan/secret_bytes.hpp"
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
  ~SegmentWriter() override;  // without finish(): stops, and what is written is in vain

  Result<void> write(uint64_t offset, ByteView bytes) override;
  // Waits until all is written, and says whether it is.
  Result<void> finish();

 private:
  struct Job {
    uint64_t offset = 0;
    Bytes bytes;
  };
  void work();
  Result<void> process(crypto::AesXts& cipher, Job& job) const;
  Result<void> store(const Job& job) const;
  void pass_on(Job job, std::unique_lock<std::mutex>& lock);
  void recycle(Bytes buffer);
  Result<void> submit();
  Result<void> settle();
  void start_threads();
  void stop();

  const int fd_;
  const uint64_t start_;
  const std::string name_;
  const SegmentHashes hashes_;
  SecretBytes key_;
  Job current_;  // being filled by the caller

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::map<uint64_t, Bytes> passed_;  // written, not hashed by the stream yet; by offset
  std::vector<Bytes> spare_;
  size_t busy_ = 0;         // buffers that are not spare, the caller's not counted
  uint64_t heard_ = 0;      // by the stream
  bool streaming_ = false;  // a thread is at it
  std::optional<Error> failure_;
  bool closing_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace bartizan::image::luks2
