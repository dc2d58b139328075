#include "cli/usage.hpp"

#include <algorithm>
#include <numeric>

#include "base/errors.hpp"
#include "cli/habits.hpp"

namespace bartizan::cli {

namespace {

// Optimal string alignment: insertions, deletions, changes, and two neighbours exchanged.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

// What was probably meant by `word`; empty if nothing is near.
std::string nearest(std::string_view word, const Words& known) {
  const size_t limit = word.size() <= 3 ? 1 : 2;
  std::string best;
  size_t least = limit + 1;
  for (const std::string& one : known) {
    const bool begins = word.size() >= 3 && std::string_view(one).starts_with(word);
    const size_t away = begins ? 1 : distance(word, one);
    if (away < least) least = away, best = one;
  }
  return best;
}

std::string_view without_dashes(std::string_view word) {
  return word.substr(std::min(word.find_first_not_of('-'), word.size()));
}

bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-';
}

std::string flag_of(const std::string& word) {
  return word.starts_with("--") ? word.substr(0, word.find('=')) : word;
}

class Reader {
 public:
  Reader(const CLI::App& app, const Words& words) : command_(&app), words_(words) {}

  std::optional<Error> unknown(bool commands_only) {
    for (at_ = 0; at_ < words_.size() && words_[at_] != "--"; ++at_) {
      const std::string& word = words_[at_];
      auto error = is_option(word) ? option(word) : has_commands() ? command(word) : operand(word);
      if (error && (!commands_only || is_command_)) return error;
      if (error) return {};
    }
    return {};
  }

 private:
  std::vector<const CLI::App*> commands() const { return command_->get_subcommands({}); }
  bool has_commands() const { return !commands().empty(); }

  template <typename... Args>
  Error mistake(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string where = path_.empty() ? "" : path_ + ": ";
    return invalid("cli", "{}{}", where, fmt::format(format, std::forward<Args>(args)...));
  }

  bool launches() const { return path_ == "run" || path_ == "up"; }

  std::string advice(const std::string& meant) const {
    if (!meant.empty()) return fmt::format("did you mean {}?", meant);
    return fmt::format("see bartizan {}{}--help", path_, path_.empty() ? "" : " ");
  }

  std::optional<Error> command(const std::string& word) {
    Words names;
    for (const CLI::App* one : commands()) {
      if (one->get_name() == word) {
        path_ += (path_.empty() ? "" : " ") + word;
        command_ = one;
        return {};
      }
      names.push_back(one->get_name());
    }
    is_command_ = true;
    if (auto answer = answer_to_command(word); path_.empty() && !answer.empty())
      return mistake("{}: no such command, by design: {}", word, answer);
    return mistake("{}: no such command; {}", word, advice(nearest(word, names)));
  }

  // Passes over the values of a known option.
  std::optional<Error> option(const std::string& word) {
    const CLI::Option* known = command_->get_option_no_throw(flag_of(word));
    bool value_attached = word.starts_with("--") && word.find('=') != word.npos;
    for (size_t i = 1; !known && !word.starts_with("--") && i < word.size(); ++i) {
      const CLI::Option* one = command_->get_option_no_throw(std::string("-") + word[i]);
      if (!one) break;
      value_attached = one->get_items_expected_max() > 0 && i + 1 < word.size();
      if (value_attached || i + 1 == word.size()) known = one;
    }
    if (!known) return unknown_option(flag_of(word));
    if (known->get_items_expected_max() == 0 || value_attached) return {};
    ++at_;
    while (known->get_items_expected_max() > 1 && at_ + 1 < words_.size() &&
           !is_option(words_[at_ + 1]))
      ++at_;
    return {};
  }

  std::string_view answer_to_option(const std::string& name) const {
    std::string_view answer = launches() ? answer_to_run_option(name) : "";
    if (answer.empty() && (path_ == "build" || path_ == "up"))
      answer = answer_to_build_option(name);
    return answer;
  }

  std::optional<Error> unknown_option(const std::string& flag) const {
    for (const std::string& name : {flag, flag.substr(0, 2)})
      if (auto answer = answer_to_option(name); !answer.empty())
        return mistake("{}: no such option, by design: {}", name, answer);
    Words names;
    for (const CLI::Option* one : command_->get_options())
      for (const std::string& name : one->get_lnames()) names.push_back(name);
    const std::string meant = nearest(without_dashes(flag), names);
    return mistake("{}: no such option; {}", flag, advice(meant.empty() ? "" : "--" + meant));
  }

  std::optional<Error> operand(const std::string& word) {
    const auto places =
        command_->get_options([](const CLI::Option* o) { return o->get_positional(); });
    if (++operands_ <= places.size()) return {};
    std::string_view answer;
    if (launches()) answer = answer_to_run_argument();
    if (path_ == "measure") answer = answer_to_measure_argument();
    if (!answer.empty()) return mistake("\"{}\": {}", word, answer);
    return mistake("\"{}\": one argument too many; {}", word, advice(""));
  }

  const CLI::App* command_;
  const Words& words_;
  std::string path_;  // "bundle create"
  size_t at_ = 0, operands_ = 0;
  bool is_command_ = false;  // that is unknown
};

// CLI11's sentences are about its own objects.
std::string reworded(const std::string& what) {
  const auto split = [&what](std::string_view at, std::string* left, std::string* right) {
    const size_t found = what.find(at);
    if (found == what.npos) return false;
    *left = what.substr(0, found);
    *right = what.substr(found + at.size());
    return true;
  };
  std::string left, right;
  constexpr std::string_view kConvert = "Could not convert: ", kMissing = " missing";
  if (what.starts_with(kConvert) && split(" = ", &left, &right))
    return fmt::format("{}: \"{}\" is not a value for it", left.substr(kConvert.size()), right);
  if (split(": At Most 1 required but received ", &left, &right))
    return fmt::format("{}: given {} times, and once is possible", left, right);
  if (what.ends_with(kMissing) && split(": 1 required ", &left, &right))
    return fmt::format("{}: its value is missing: {}", left,
                       right.substr(0, right.size() - kMissing.size()));
  if (split(" excludes ", &left, &right))
    return fmt::format("{} and {}: only one of them is possible", left, right);
  return what.find("subcommand is required") == what.npos ? what : "a command is required";
}

}  // namespace

Words with_help_as_option(Words words) {
  if (words.empty() || (words[0] != "help" && words[0] != "version")) return words;
  words.push_back("--" + words[0]);
  words.erase(words.begin());
  return words;
}

std::optional<Error> unknown_word(const CLI::App& app, const Words& words) {
  return Reader(app, words).unknown(false);
}

Error wrong_words(const CLI::App& app, const CLI::ParseError& error) {
  std::string path;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    path += at->get_name() + " ";
  }
  const std::string where = path.empty() ? "" : path.substr(0, path.size() - 1) + ": ";
  return invalid("cli", "{}{}; see bartizan {}--help", where, reworded(error.what()), path);
}

std::optional<Error> unknown_command(const CLI::App& app, const Words& words) {
  return Reader(app, words).unknown(true);
}

}  // namespace bartizan::cli
