#include "cli/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/environment.hpp"
#include "base/errors.hpp"
#include "base/mutex.hpp"
#include "base/printable.hpp"
#include "base/room.hpp"

namespace bartizan::cli {

namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr size_t kBarWidth = 30, kLeastBar = 5;
constexpr size_t kUsualColumns = 80;

volatile std::sig_atomic_t interrupted = 0;  // the signal's number
void on_interrupt(int number) {
  interrupted = number;
}

// A terminal that understands escape sequences.
bool is_capable_terminal() {
  return isatty(STDERR_FILENO) && environment("TERM") != "dumb";
}

// no-color.org: an empty NO_COLOR counts as none.
bool colours() {
  static const bool use = is_capable_terminal() && !environment("NO_COLOR");
  return use;
}

// The code's advice, where it can be followed: not if it leads to what this error does not have.
std::string_view fitting_advice(const Error& error) {
  if (error.os_errno == EADDRINUSE) return "the address is in use: choose another port, or 0: any";
  const bool has_values = !error.expected.empty() || !error.got.empty();
  const bool hollow = error.code == ErrorCode::io ||
                      (error.code == ErrorCode::verification_failed && !has_values) ||
                      (error.code == ErrorCode::permission_denied && error.os_errno == 0);
  return hollow ? std::string_view() : advice(error.code);
}

int stdout_errno = 0;  // of the first write that failed

void note_write(FILE* to, bool complete) {
  if (to == stdout && !complete && stdout_errno == 0) stdout_errno = errno != 0 ? errno : EIO;
}

// A line that is ours alone.
void print_raw(FILE* to, std::string_view line) {
  errno = 0;
  const bool written = std::fwrite(line.data(), 1, line.size(), to) == line.size();
  note_write(to, written && std::fputc('\n', to) != EOF);
}

void print_line(FILE* to, std::string_view line) {
  print_raw(to, harmless(line));
}

constexpr size_t kLongestLine = 4000;  // below kRoom, as it goes at once
constexpr int kPatienceMs = 1000;

// Lines on stderr come from threads that stops and signals wait for: a reader that pauses for
// longer than a second loses lines, and nobody waits for it until it reads again.
class Stderr {
 public:
  void line(std::string_view text) {
    const MutexLock lock(mutex_);
    if (lost_ != 0 && has_room(STDERR_FILENO)) {
      print_line(stderr, fmt::format("bartizan: {} lines were not read", lost_));
      lost_ = 0;
    }
    if (has_room(STDERR_FILENO, lost_ == 0 ? kPatienceMs : 0))
      print_line(stderr, text.substr(0, kLongestLine));
    else
      ++lost_;
  }

 private:
  Mutex mutex_;
  uint64_t lost_ BARTIZAN_GUARDED_BY(mutex_) = 0;
};

Stderr& lines_on_stderr() {
  static Stderr lines;
  return lines;
}

void flush(FILE* to) {
  errno = 0;
  note_write(to, std::fflush(to) == 0);
}

// Of the terminal; one less than it has, so that the cursor stays in the line.
size_t columns() {
  winsize size = {};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return (known ? size.ws_col : kUsualColumns) - 1;
}

std::string bar(double part, size_t width) {
  const auto filled = static_cast<size_t>(part * static_cast<double>(width));
  return '[' + std::string(filled, '#') + std::string(width - filled, '.') + ']';
}

// "0:07 left"
std::string human_time(double seconds) {
  constexpr double kLongest = 359'999;  // 99 hours are as good as any more
  const auto all = static_cast<unsigned>(std::min(kLongest, seconds + 0.5));
  char text[32];
  if (all < 3600)
    std::snprintf(text, sizeof text, "%u:%02u left", all / 60, all % 60);
  else
    std::snprintf(text, sizeof text, "%u:%02u:%02u left", all / 3600, all / 60 % 60, all % 60);
  return text;
}

}  // namespace

void Printer::result(const view::Json& value,
                     const std::vector<std::pair<std::string, std::string>>& lines) const {
  if (quiet) return;
  if (json) {
    print_raw(stdout, view::to_text(value));
  } else {
    size_t width = 0;
    for (const auto& [name, text] : lines) width = std::max(width, name.size());
    for (const auto& [name, text] : lines)
      print_line(results(), fmt::format("{:<{}}  {}", name, width, text));
  }
  flush(results());
}

void Printer::tree(const view::Json& value, const std::vector<std::string>& lines) const {
  if (json) print_raw(stdout, view::to_text(value));
  for (size_t i = 0; i < lines.size() && !json; ++i) print_line(stdout, lines[i]);
  flush(stdout);
}

void Printer::text(const std::string& text) const {
  if (json) return;
  errno = 0;
  note_write(stdout, std::fputs(text.c_str(), stdout) != EOF);
  flush(stdout);
}

void Printer::note(std::string_view line) const {
  lines_on_stderr().line("bartizan: " + std::string(line));
}

void Printer::error(const Error& error) const {
  if (json) {
    print_raw(stdout, view::to_text({{"error", view::to_json(error)}}));
    flush(stdout);
    return;
  }
  const char* begin = colours() ? "\033[1;31m" : "";
  const char* end = colours() ? "\033[0m" : "";
  print_raw(stderr, std::string(begin) + "bartizan: " + end + harmless(error.describe()));
  if (std::string_view text = fitting_advice(error); !text.empty())
    print_line(stderr, "  " + std::string(to_string(error.code)) + ": " + std::string(text));
}

LogSink Printer::guest_log() {
  return [](LogLevel, std::string_view line) {
    lines_on_stderr().line("guest| " + std::string(line));
  };
}

LogSink Printer::log() const {
  return [verbose = verbose](LogLevel level, std::string_view line) {
    if (verbose || level <= LogLevel::warning)
      lines_on_stderr().line("bartizan: " + std::string(line));
  };
}

Result<void> flush_stdout() {
  flush(stdout);
  const int copy = dup(STDOUT_FILENO);  // closing is when some file systems report a full disk
  note_write(stdout, copy >= 0 && close(copy) == 0 && std::ferror(stdout) == 0);
  if (stdout_errno == 0) return {};
  return errno_error(stdout_errno, "cli", "standard output: write");
}

int cancelling_signal() {
  return interrupted;
}

ProgressBar::ProgressBar(const Printer& output) : visible_(!output.json && is_capable_terminal()) {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);
}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

ProgressSink ProgressBar::sink() {
  return [this](const Progress& progress) { return update(progress); };
}

bool ProgressBar::update(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool new_stage = progress.stage != stage_;
  if (new_stage) {
    stage_ = progress.stage;
    stage_begin_ = now;
  }
  if (visible_ && (new_stage || now - last_ >= kRedrawInterval)) {
    last_ = now;
    draw(progress);
  }
  return !interrupted;
}

void ProgressBar::draw(const Progress& progress) {
  drawn_ = true;
  const std::chrono::duration<double> seconds = last_ - stage_begin_;
  const std::string line = progress_line(progress, seconds.count(), columns());
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

std::string progress_line(const Progress& progress, double seconds, size_t width) {
  std::string name(progress.stage);
  name.resize(std::max<size_t>(name.size(), 10), ' ');
  std::string numbers = human_bytes(progress.done);
  const double rate = seconds > 0 ? static_cast<double>(progress.done) / seconds : 0;
  if (progress.total != 0) numbers += " of " + human_bytes(progress.total);
  if (rate >= 1) numbers += ", " + human_bytes(static_cast<uint64_t>(rate)) + "/s";
  if (rate >= 1 && progress.total > progress.done)
    numbers += ", " + human_time(static_cast<double>(progress.total - progress.done) / rate);
  std::string line = name + ' ' + numbers;
  if (progress.total != 0) {
    const double part =
        std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
    char percent[8];
    std::snprintf(percent, sizeof percent, " %3.0f%% ", part * 100);
    const size_t others = name.size() + std::strlen(percent) + numbers.size() + 3;
    if (others + kLeastBar <= width)
      line = name + ' ' + bar(part, std::min(kBarWidth, width - others)) + percent + numbers;
  }
  return line.substr(0, width);
}

std::string human_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace bartizan::cli
