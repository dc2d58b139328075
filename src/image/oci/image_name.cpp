#include "image/oci/image_name.hpp"

#include "base/errors.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kArchive = "oci-archive:", kFolder = "oci:";

// A folder of such a name would surprise whoever asked for a file.
constexpr std::string_view kOtherFormats[] = {".tar.gz", ".tgz",    ".gz",  ".tar.zst", ".tzst",
                                              ".zst",    ".tar.xz", ".txz", ".xz",      ".bz2",
                                              ".zip",    ".img",    ".raw", ".qcow2",   ".iso"};

}  // namespace

Result<ImageName> parse_output_name(const fs::path& name) {
  const std::string& text = name.native();
  bool archive = text.starts_with(kArchive), folder = text.starts_with(kFolder);
  if (!archive && !folder) {
    for (std::string_view ending : kOtherFormats) {
      if (!text.ends_with(ending)) continue;
      return make_error(ErrorCode::invalid_argument, "image/oci",
                        "output \"{}\": files in {} are not written: a name in .tar makes an "
                        "archive, oci:{} a folder of that name",
                        text, ending, text);
    }
    return ImageName{name, text.ends_with(".tar")};
  }
  std::string rest = text.substr((archive ? kArchive : kFolder).size());
  if (rest.empty() || rest.find(':') != std::string::npos) {
    return make_error(ErrorCode::invalid_argument, "image/oci",
                      "output \"{}\": not {}, without a tag (that is output_reference)", text,
                      archive ? "oci-archive:FILE" : "oci:FOLDER");
  }
  return ImageName{rest, archive};
}

fs::path path_of_image(const fs::path& name) {
  const std::string& text = name.native();
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(name, ignored))) return name;
  if (text.starts_with(kArchive)) return text.substr(kArchive.size());
  return text.starts_with(kFolder) ? fs::path(text.substr(kFolder.size())) : name;
}

}  // namespace bartizan::image::oci
