#include "cli/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace bartizan::cli {

namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr int kBarWidth = 30;

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) {
  interrupted = 1;
}

bool colours() {
  static const bool use = isatty(STDERR_FILENO) && !std::getenv("NO_COLOR");
  return use;
}

void print_line(FILE* to, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), to);
  std::fputc('\n', to);
}

}  // namespace

void Output::result(const view::Json& value,
                    const std::vector<std::pair<std::string, std::string>>& lines) const {
  if (json) {
    print_line(stdout, view::to_text(value));
  } else {
    size_t width = 0;
    for (const auto& [name, text] : lines) width = std::max(width, name.size());
    for (const auto& [name, text] : lines)
      print_line(stdout, name + std::string(width - name.size() + 2, ' ') + text);
  }
  std::fflush(stdout);
}

void Output::tree(const view::Json& value, const std::vector<std::string>& lines) const {
  if (json) print_line(stdout, view::to_text(value));
  for (size_t i = 0; i < lines.size() && !json; ++i) print_line(stdout, lines[i]);
  std::fflush(stdout);
}

void Output::text(const std::string& text) const {
  if (!json) std::fputs(text.c_str(), stdout), std::fflush(stdout);
}

void Output::note(std::string_view line) const {
  print_line(stderr, "bartizan: " + std::string(line));
}

void Output::error(const Error& error) const {
  if (json) {
    print_line(stdout, view::to_text({{"error", view::to_json(error)}}));
    std::fflush(stdout);
    return;
  }
  const char* begin = colours() ? "\033[1;31m" : "";
  const char* end = colours() ? "\033[0m" : "";
  print_line(stderr, std::string(begin) + "bartizan: " + end + error.describe());
  if (std::string_view text = advice(error.code); !text.empty())
    print_line(stderr, "  " + std::string(to_string(error.code)) + ": " + std::string(text));
}

LogSink Output::log() const {
  return [verbose = verbose](LogLevel level, std::string_view line) {
    if (verbose || level <= LogLevel::warning) print_line(stderr, "bartizan: " + std::string(line));
  };
}

ProgressBar::ProgressBar(const Output& output) : visible_(!output.json && isatty(STDERR_FILENO)) {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

ProgressSink ProgressBar::sink() {
  return [this](const Progress& progress) { return update(progress); };
}

bool ProgressBar::update(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (visible_ && now - last_ >= kRedrawInterval) {
    last_ = now;
    draw(progress);
  }
  return !interrupted;
}

void ProgressBar::draw(const Progress& progress) {
  drawn_ = true;
  const std::string stage(progress.stage);
  if (progress.total == 0) {
    std::fprintf(stderr, "\r\033[K%-12s %s", stage.c_str(), human_bytes(progress.done).c_str());
    return;
  }
  const double part =
      std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
  const int filled = static_cast<int>(part * kBarWidth);
  std::fprintf(stderr, "\r\033[K%-12s [%s%s] %3.0f%%", stage.c_str(),
               std::string(filled, '#').c_str(), std::string(kBarWidth - filled, '.').c_str(),
               part * 100);
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
