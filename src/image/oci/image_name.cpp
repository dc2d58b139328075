#include "image/oci/image_name.hpp"

#include "base/errors.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kArchive = "oci-archive:", kFolder = "oci:";

}  // namespace

Result<ImageName> parse_output_name(const fs::path& name) {
  const std::string& text = name.native();
  bool archive = text.starts_with(kArchive), folder = text.starts_with(kFolder);
  if (!archive && !folder) return ImageName{name, text.ends_with(".tar")};
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
