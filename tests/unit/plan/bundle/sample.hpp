// What a bundle is made from, small and made up: a kernel, its modules folder, an init.
#pragma once

#include <stdlib.h>

#include <fstream>

#include "bartizan/machine.hpp"
#include "base/file.hpp"
#include "plan/bundle/create/modules.hpp"
#include "unit/plan/boot/fake_kernel.hpp"

namespace bartizan {

inline std::filesystem::path make_scratch_folder() {
  auto name = (std::filesystem::temp_directory_path() / "bartizan-bundle-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return name;
}

struct Sample {
  Unfinished folder{make_scratch_folder()};
  BundleOptions options;

  Sample() {
    options.kernel = folder.path() / "vmlinuz";
    options.modules = folder.path() / "modules";
    options.init = folder.path() / "init";
    options.output = folder.path() / "bundle";
    write_file(options.kernel, plan::boot::fake_kernel()).value();
    write_file(options.init, Bytes(3000, 0x11)).value();
    std::filesystem::create_directories(options.modules / "kernel");
    std::string dependencies;
    for (const auto& module : plan::bundle::create::guest_modules()) {
      auto path = "kernel/" + std::string(module.name) + ".ko";
      write_file(options.modules / path, as_bytes("\x7f"
                                                  "ELF" +
                                                  path))
          .value();
      dependencies += path + ":\n";
    }
    write_file(options.modules / "modules.dep", as_bytes(dependencies)).value();
    write_file(options.modules / "modules.builtin", {}).value();
  }
};

}  // namespace bartizan
