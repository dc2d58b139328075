// Where the command's words go: results to stdout, the rest to stderr. The only place that prints.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bartizan/log.hpp"
#include "common/json_view.hpp"

namespace bartizan::cli {

struct Printer {
  bool json = false;
  bool verbose = false;
  bool stdout_taken = false;  // by a secret: results for a person go to stderr
  bool quiet = false;         // a step of a larger command: its result is not printed

  // A result: `value` as JSON, or `lines` ("name", "value") for a person.
  void result(const view::Json& value,
              const std::vector<std::pair<std::string, std::string>>& lines) const;
  // A result with parts: lines as they are.
  void tree(const view::Json& value, const std::vector<std::string>& lines) const;
  void text(const std::string& text) const;  // to stdout, for a person only
  void note(std::string_view line) const;    // to stderr
  void error(const Error& error) const;

  // The library's lines: warnings and errors, with `verbose` all.
  LogSink log() const;
  // The guest's console, to stderr.
  static LogSink guest_log();

 private:
  FILE* results() const { return stdout_taken ? stderr : stdout; }
};

// Whatever was printed on stdout has arrived: io or resource_exhausted (/dev/full) otherwise. A
// command that printed into nothing has failed.
Result<void> flush_stdout();

// The signal, SIGINT, SIGTERM or SIGHUP, that a ProgressBar took for a cancellation; 0: none.
int cancelling_signal();

// How much of a stage is done: bytes, rate and remaining time, over the seconds that it has run.
// No longer than `width` columns.
std::string progress_line(const Progress& progress, double seconds, size_t width);

// A progress bar on stderr, if that is a terminal and the output is for a person. Its sink also
// turns SIGINT, SIGTERM and SIGHUP into a cancellation, so that an interrupted build leaves nothing
// behind.
class ProgressBar {
 public:
  explicit ProgressBar(const Printer& output);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();
  ProgressSink sink();

 private:
  bool update(const Progress& progress);
  void draw(const Progress& progress);

  bool visible_;
  bool drawn_ = false;
  std::string stage_;
  std::chrono::steady_clock::time_point last_{}, stage_begin_{};
};

// "12.3 MiB"
std::string human_bytes(uint64_t bytes);

}  // namespace bartizan::cli
