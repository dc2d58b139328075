// A piece of work in a child process, watched at each of its system calls: any of them can be made
// to fail, or the child be killed there. Nothing that the work uses can get around it, be it our
// code, the C++ library or libcryptsetup.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bartizan::test {

struct SystemCalls {
  uint64_t calls = 0;                 // all of them
  uint64_t changes = 0;               // those that change files or ask for a resource
  std::vector<std::string> paths;     // that were opened to be written to, made, renamed, removed
  std::string failed;                 // the call that was made to fail
  std::optional<int> status, signal;  // how the child ended
  std::string words;                  // what the work returned
};

struct Fault {
  uint64_t fail_change = 0;  // the how manieth change fails, from 1; 0: none
  int with_errno = 0;
  uint64_t kill_at_call = 0;  // the child is killed before its how manieth call; 0: not
};

// The work returns what is to be in `words`. Nothing if this process may trace no children.
std::optional<SystemCalls> watch(const std::function<std::string()>& work, const Fault& fault = {});

}  // namespace bartizan::test
