#include "hardware_check/tiny_image.hpp"

#include <elf.h>

#include <cstring>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "image/oci/layout_writer.hpp"
#include "image/tar/tar_writer.hpp"

namespace bartizan::hardware_check {
namespace {

constexpr uint64_t kLoadAddress = 0x400000;

//   bf 2a 00 00 00         mov  $42, %edi
//   b8 3c 00 00 00         mov  $60, %eax     exit
//   0f 05                  syscall
constexpr uint8_t kCode[] = {0xbf, kTinyImageStatus, 0, 0, 0, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05};

struct Program {
  Elf64_Ehdr head{};
  Elf64_Phdr segment{};
  uint8_t code[sizeof kCode] = {};
};

Bytes layer() {
  Bytes program = tiny_program();
  Bytes archive = image::tar::tar_header("entrypoint", '0', 0755, program.size());
  archive.insert(archive.end(), program.begin(), program.end());
  // Two empty blocks end an archive.
  archive.resize(align_up(archive.size(), image::tar::kTarBlock) + 2 * image::tar::kTarBlock);
  return archive;
}

}  // namespace

Bytes tiny_program() {
  Program made;
  Elf64_Ehdr& head = made.head;
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_ident[EI_VERSION] = EV_CURRENT;
  head.e_type = ET_EXEC;
  head.e_machine = EM_X86_64;
  head.e_version = EV_CURRENT;
  head.e_entry = kLoadAddress + offsetof(Program, code);
  head.e_phoff = offsetof(Program, segment);
  head.e_ehsize = sizeof head;
  head.e_phentsize = sizeof made.segment;
  head.e_phnum = 1;
  made.segment = {PT_LOAD,      PF_R | PF_X, 0,           kLoadAddress,
                  kLoadAddress, sizeof made, sizeof made, kPageSize};
  std::memcpy(made.code, kCode, sizeof kCode);
  Bytes bytes(sizeof made);
  std::memcpy(bytes.data(), &made, sizeof made);
  return bytes;
}

Result<void> make_tiny_image(const std::filesystem::path& folder) {
  auto writer = TRY(image::oci::LayoutWriter::create(folder));
  Bytes archive = layer();
  std::string_view content(reinterpret_cast<const char*>(archive.data()), archive.size());
  auto blob = TRY(writer.add_blob(image::oci::kLayerType, content));
  Json config = {{"architecture", "amd64"},
                 {"os", "linux"},
                 {"config", {{"Entrypoint", {"/entrypoint"}}}},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", {blob.digest}}}}};
  TRY(writer.finish(config, {blob}, {}, "latest"));
  return {};
}

}  // namespace bartizan::hardware_check
