#include "cli/image_tree.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "cli/output.hpp"

namespace bartizan::cli {

namespace {

// A node is a line and what hangs below it.
struct TreeNode {
  std::string text;
  std::vector<TreeNode> parts = {};
};

void draw(const std::vector<TreeNode>& nodes, const std::string& indent,
          std::vector<std::string>* to) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool last = i + 1 == nodes.size();
    to->push_back(indent + (last ? "`- " : "|- ") + nodes[i].text);
    draw(nodes[i].parts, indent + (last ? "   " : "|  "), to);
  }
}

std::string field(std::string name, const std::string& value) {
  name.resize(std::max<size_t>(name.size(), 16), ' ');
  return name + " " + value;
}

std::string size_at(uint64_t size, uint64_t offset) {
  return human_bytes(size) + " at " + std::to_string(offset);
}

std::string kdf_of(const LuksKeyslot& slot) {
  if (slot.kdf.empty()) return "no key derivation";
  const bool argon2 = slot.kdf.starts_with("argon2");
  std::string text = slot.kdf + (slot.hash.empty() ? "" : "-" + slot.hash) + ", " +
                     std::to_string(slot.iterations) + (argon2 ? " passes" : " rounds");
  if (argon2)
    text += " over " + human_bytes(uint64_t{slot.memory_kib} << 10) + ", " +
            std::to_string(slot.threads) + " threads";
  return text;
}

TreeNode keyslot_node(const LuksKeyslot& slot) {
  return {"key slot " + std::to_string(slot.number) + ": " + kdf_of(slot) + "; key of " +
          std::to_string(slot.key_bytes * 8) + " bits, " + size_at(slot.size, slot.offset) +
          (slot.unbound ? ", not bound to the data" : "")};
}

TreeNode segment_node(const LuksSegment& segment) {
  return {"segment " + std::to_string(segment.number) + ": " + segment.cipher + ", sectors of " +
          std::to_string(segment.sector_size) + " bytes, " +
          (segment.size ? human_bytes(segment.size) : std::string("to the end of the disk")) +
          " from " + std::to_string(segment.offset) +
          (segment.integrity.empty() ? "" : ", integrity " + segment.integrity)};
}

TreeNode header_node(const ImageInfo& info) {
  TreeNode node{field("header", human_bytes(info.header_bytes) + " at 0")};
  if (!info.luks) return node;
  const LuksInfo& luks = *info.luks;
  if (luks.version == 0) return {node.text, {{"! " + luks.remark}}};
  node.text += ", LUKS" + std::to_string(luks.version);
  node.parts.push_back({field("uuid", luks.uuid)});
  if (!luks.label.empty()) node.parts.push_back({field("label", luks.label)});
  for (const LuksKeyslot& slot : luks.keyslots) node.parts.push_back(keyslot_node(slot));
  for (const LuksSegment& segment : luks.segments) node.parts.push_back(segment_node(segment));
  if (!luks.remark.empty()) node.parts.push_back({"! " + luks.remark});
  return node;
}

uint64_t footer_bytes(const ImageInfo& info) {
  return info.disk_bytes - info.header_bytes - info.filesystem_bytes - info.tree_bytes;
}

TreeNode disk_node(const ImageInfo& info) {
  TreeNode node{
      field("disk", size_at(info.disk_bytes, info.disk_offset) + " of " + info.disk_path.string())};
  node.parts.push_back(header_node(info));
  const std::string what = info.filesystem.empty() ? "unknown until decrypted" : info.filesystem;
  node.parts.push_back({field("encrypted", size_at(info.filesystem_bytes, info.header_bytes) +
                                               ", " + info.cipher + ", file system " + what)});
  if (info.tree_bytes)
    node.parts.push_back(
        {field("dm-verity tree",
               size_at(info.tree_bytes, info.header_bytes + info.filesystem_bytes)),
         {{field("root hash", info.verity_root_hash)}}});
  if (footer_bytes(info) != 0)
    node.parts.push_back({field("KRUN footer", human_bytes(footer_bytes(info)))});
  return node;
}

TreeNode key_node(const ImageInfo& info) {
  if (info.broker_url.empty()) return {field("key", "from the caller, no broker is named")};
  TreeNode node{field("key", "from the broker " + info.broker_url)};
  if (!info.resource.empty()) node.parts.push_back({field("resource", info.resource)});
  return node;
}

TreeNode launch_node(const ImageInfo& info) {
  return {field("launch", std::to_string(info.vcpus) + " CPUs, " + std::to_string(info.ram_mib) +
                              " MiB by default")};
}

std::string kind_of(const ImageInfo& info) {
  if (info.kind == "bartizan") return "confidential image";
  if (info.kind == "krun") return "confidential image of oci2cw or buildah mkcw";
  return "disk image";
}

std::vector<TreeNode> parts_of(const ImageInfo& info, const std::string& digest) {
  std::vector<TreeNode> parts;
  if (!info.workload_id.empty()) parts.push_back({field("workload id", info.workload_id)});
  if (!digest.empty())
    parts.push_back({field("workload digest", digest),
                     {{field("manifest", human_bytes(info.manifest.size()) +
                                             ", a launch is bound to every byte of it")}}});
  if (!info.krun_config.empty() || !digest.empty()) {
    parts.push_back(key_node(info));
    parts.push_back(launch_node(info));
  }
  if (!digest.empty())
    parts.push_back(
        {field("writes go to", info.scratch_bytes == 0
                                   ? std::string("the guest's memory")
                                   : "a scratch disk of " + human_bytes(info.scratch_bytes) +
                                         ", encrypted and authenticated by the guest")});
  if (!digest.empty())
    parts.push_back({field("the host may", info.host_may + ", and ask for a stop")});
  parts.push_back(disk_node(info));
  return parts;
}

// What a host that keeps the image and serves its blocks can find out or do.
std::vector<TreeNode> host_parts(const ImageInfo& info) {
  if (info.kind == "bartizan") {
    return {
        {"learns all of the above, the disk's size, which blocks are read when, and all traffic"},
        {"does not learn names, contents, owners and modes of files, the configuration, the key"},
        {"can refuse to serve; whatever it changes on the disk ends the guest"}};
  }
  std::vector<TreeNode> parts = {
      {"learns all of the above, the disk's size, and which blocks are read and written when"},
      {"does not learn the contents, as long as no passphrase can be guessed"}};
  parts.push_back(
      {info.luks && !info.luks->integrity.empty()
           ? "cannot change sectors unnoticed, but put back older ones"
           : "can change the disk unnoticed: nothing authenticates header or contents"});
  return parts;
}

}  // namespace

std::vector<std::string> image_tree(const ImageInfo& info, const std::string& name) {
  const std::string digest = to_hex(info.workload_digest);
  std::vector<std::string> lines = {name + ": " + kind_of(info)};
  draw(parts_of(info, digest), "", &lines);
  lines.emplace_back("the host");
  draw(host_parts(info), "", &lines);
  return lines;
}

}  // namespace bartizan::cli
