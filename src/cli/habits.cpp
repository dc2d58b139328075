#include "cli/habits.hpp"

#include <algorithm>
#include <span>

namespace bartizan::cli {

namespace {

struct Answer {
  std::string_view words;  // separated by spaces
  std::string_view text;
};

constexpr std::string_view kArgument =
    "command and arguments are inside the measured image, where no host can change them: set them "
    "there (Containerfile: CMD), then build and register again";

constexpr Answer kCommands[] = {
    {"exec attach",
     "a guest runs the measured command alone, and nobody gets another process into it, not even "
     "the host; to look around, build an image whose command is a shell and run it"},
    {"ps top",
     "there is no daemon with a list of guests: each lives in the process of its `bartizan run` "
     "(pgrep -a bartizan)"},
    {"pull",
     "`bartizan build docker://NAME -o FOLDER …` reads registries itself; a confidential image is "
     "fetched by skopeo copy docker://NAME oci:FOLDER"},
    {"push", "skopeo copy --preserve-digests oci:FOLDER docker://NAME pushes an image"},
    {"logs",
     "the workload's output is that of its `bartizan run`, nobody keeps it; the broker's decisions "
     "are shown by `bartizan audit`"},
    {"stop kill",
     "send SIGTERM to the process of `bartizan run`: the workload gets its stop signal, and its "
     "end after --stop-timeout"},
    {"images",
     "images are folders and archives under your own names: ls, `bartizan inspect IMAGE`"},
    {"rm", "nothing of a guest remains when its `bartizan run` ends"},
    {"rmi", "images are folders and archives: rm -r removes one, `bartizan unregister` its key"},
    {"create start restart",
     "a guest is made by `bartizan run`, and is new each time; a service manager starts it again "
     "(systemd: Restart=always)"},
    {"cp commit export",
     "nobody reads or writes a guest's files from outside; the workload itself can, over network, "
     "vsock or its standard output"},
    {"login", "skopeo login keeps the credentials that `bartizan build docker://NAME` uses"},
    {"volume",
     "no folder of the host enters a guest, because nothing attests what a host shares; `bartizan "
     "build --scratch` gives a workload an encrypted disk for the time of a run"},
    {"network", "each guest has a network of its own: `bartizan run --publish`, --network"},
};

constexpr Answer kRunOptions[] = {
    {"-i -t --interactive --tty",
     "leave it out: standard input and the terminal reach the workload if its image allows it, as "
     "images with a broker do when built with `bartizan build --host-may input,output`"},
    {"--rm", "nothing of a guest remains when it ends: leave it out"},
    {"-e --env --env-file",
     "the environment is inside the measured image, where no host can change it: set it there "
     "(Containerfile: ENV), then build and register again; what differs from run to run comes by "
     "standard input, network or vsock"},
    {"-v --volume --mount --tmpfs --volumes-from",
     "no folder of the host enters the guest, because nothing attests what a host shares: put data "
     "into the image, or fetch it over network or vsock; `bartizan build --scratch` gives space to "
     "write"},
    {"-d --detach",
     "the VM lives in this process and ends with it: put it into the background by the shell (&) "
     "or "
     "a service manager (systemd-run)"},
    {"--entrypoint --cmd", kArgument},
    {"-u --user -w --workdir --hostname",
     "it is inside the measured image, where no host can change it: set it there (Containerfile: "
     "USER, WORKDIR), then build and register again"},
    {"-m", "guest memory is --memory MIB, measured"},
    {"--net", "--network outbound, isolated or none; the guest has a network of its own"},
    {"--restart", "leave it to a service manager (systemd: Restart=always)"},
    {"-P --publish-all", "--publish auto"},
    {"--privileged --cap-add --cap-drop --security-opt --device",
     "the workload has the guest to itself, and nothing of the host"},
};

constexpr Answer kBuildOptions[] = {
    {"-f --file -t --tag --build-arg --target",
     "an ordinary image is made first, by another tool: `podman build -t NAME .`, and then "
     "`bartizan "
     "build containers-storage:NAME -o FOLDER …`"},
};

// Each of `words` in turn.
bool is_one_of(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

std::string_view find(std::span<const Answer> answers, std::string_view word) {
  for (const Answer& answer : answers)
    if (is_one_of(answer.words, word)) return answer.text;
  return {};
}

}  // namespace

std::string_view answer_to_command(std::string_view word) {
  return find(kCommands, word);
}

std::string_view answer_to_run_option(std::string_view option) {
  return find(kRunOptions, option);
}

std::string_view answer_to_build_option(std::string_view option) {
  return find(kBuildOptions, option);
}

std::string_view answer_to_run_argument() {
  return kArgument;
}

std::string_view answer_to_measure_argument() {
  return "an image is given as --image IMAGE";
}

}  // namespace bartizan::cli
