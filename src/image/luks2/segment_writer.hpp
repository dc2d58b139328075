// SegmentWriter: a block sink that encrypts (AES-XTS, 4096-byte sectors), hashes the ciphertext and
// writes it to a file, on several threads. Memory is bounded: a few buffers of 1 MiB. One thread
// calls; the plaintext never leaves memory.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bartizan/secret_bytes.hpp"
#include "image/filesystem/block_sink.hpp"
#include "image/verity/leaf_hashes.hpp"

namespace bartizan::image {

struct SegmentHashes {
  const LeafHashes* leaves = nullptr;  // that hears of every block written, if there is one
  uint64_t first_block = 0;            // number there of the segment's first block
};

class SegmentWriter : public BlockSink {
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
  void work(const SecretBytes& key);
  Result<void> store(const Job& job) const;
  Result<void> submit();
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
  std::vector<Bytes> spare_;
  std::optional<Error> failure_;
  bool closing_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace bartizan::image
