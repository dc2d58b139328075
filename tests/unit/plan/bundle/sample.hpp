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

// What of a static program for x86-64 is looked at, then `content`: an ELF header (ELF-64 Object
// File Format, 4) and one program header of the type that is given, PT_LOAD or PT_INTERP.
inline Bytes static_program(ByteView content, uint8_t program_header = 1) {
  Bytes file(64 + 56);
  const uint8_t begin[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::copy(std::begin(begin), std::end(begin), file.begin());
  file[16] = 2;     // ET_EXEC
  file[18] = 0x3e;  // EM_X86_64
  file[32] = 64;    // e_phoff
  file[54] = 56;    // e_phentsize
  file[56] = 1;     // e_phnum
  file[64] = program_header;
  file.insert(file.end(), content.begin(), content.end());
  return file;
}

// That of a kernel which can be a guest of every TEE.
constexpr std::string_view kSampleConfig =
    "# CONFIG_EFI_SECRET is not set\n"
    "CONFIG_KVM_GUEST=y\nCONFIG_AMD_MEM_ENCRYPT=y\nCONFIG_INTEL_TDX_GUEST=y\n"
    "CONFIG_SEV_GUEST=m\nCONFIG_TDX_GUEST_DRIVER=m\nCONFIG_SECURITY_LOCKDOWN_LSM=y\n";

struct Sample {
  Unfinished folder{make_scratch_folder()};
  BundleOptions options;

  Sample() {
    options.kernel = folder.path() / "vmlinuz";
    options.modules = folder.path() / "modules";
    options.init = folder.path() / "init";
    options.output = folder.path() / "bundle";
    write_file(options.kernel, plan::boot::fake_kernel()).value();
    write_file(options.init, static_program(Bytes(3000, 0x11))).value();
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
    write_file(options.modules / "config", as_bytes(kSampleConfig)).value();
  }
};

}  // namespace bartizan
