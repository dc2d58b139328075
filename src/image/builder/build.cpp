#include <ctime>

#include "attest/evidence/workload_statement.hpp"
#include "bartizan/image.hpp"
#include "base/blocked_signal.hpp"
#include "base/errors.hpp"
#include "base/progress.hpp"
#include "base/timestamp.hpp"
#include "image/builder/added_files.hpp"
#include "image/builder/confidential_disk.hpp"
#include "image/builder/foreign_source.hpp"
#include "image/builder/krun_settings.hpp"
#include "image/builder/launchable.hpp"
#include "image/builder/output_image.hpp"
#include "image/builder/partial.hpp"
#include "image/builder/publication.hpp"
#include "image/oci/image_name.hpp"
#include "image/oci/layout_writer.hpp"
#include "image/oci/skopeo.hpp"
#include "image/parts/krun.hpp"

namespace bartizan {
using namespace image::builder;  // NOLINT: the public functions of this component
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
using image::parts::KrunConfig;

Result<void> check_public(const BuildOptions& options, const KrunConfig& settings) {
  constexpr int64_t kYear10000 = 253'402'300'800;  // RFC 3339 ends there
  if (options.created && (*options.created < 0 || *options.created >= kYear10000))
    return invalid(kOrigin, "created {}: not a time from 1970 to 9999", *options.created);
  if (options.anonymous && settings.workload_id.empty())
    return invalid(kOrigin, "workload_id: required for an anonymous image");
  return {};
}

// A host from which a broker withholds the key is not trusted with the workload's input either.
Result<guest_abi::HostAccess> host_access(const BuildOptions& options, const KrunConfig& settings) {
  if (options.host_may.empty())
    return settings.attestation_url.empty() ? guest_abi::HostAccess()
                                            : guest_abi::HostAccess{false, true, false, false};
  auto access = guest_abi::host_access_from_string(options.host_may);
  if (!access.ok()) return invalid(kOrigin, "host_may: {}", access.error().message);
  if (access->broker && settings.attestation_url.empty())
    return invalid(kOrigin, "host_may \"{}\": broker: the image names none (broker_url)",
                   options.host_may);
  return access;
}

Result<void> check_scratch(uint64_t bytes) {
  if (bytes == 0) return {};
  if (bytes >= guest_abi::kMinScratchBytes && bytes <= guest_abi::kMaxScratchBytes &&
      bytes % guest_abi::kScratchUnit == 0)
    return {};
  return invalid(kOrigin, "scratch_bytes {}: a multiple of {}, from {} to {}", bytes,
                 guest_abi::kScratchUnit, guest_abi::kMinScratchBytes, guest_abi::kMaxScratchBytes);
}

// By a signature over nothing, so that hours of work do not end at a key that is none.
Result<void> check_signing(const BuildOptions& options) {
  if (!options.signing_key) {
    if (options.version == 0) return {};
    return invalid(kOrigin, "version {}: without a signing_key, which vouches for it",
                   options.version);
  }
  const attest::evidence::WorkloadStatement nothing{"", options.version, std::vector<uint8_t>(32)};
  auto signed_once = attest::evidence::sign_statement(nothing, *options.signing_key);
  if (!signed_once.ok()) return invalid(kOrigin, "signing_key: {}", signed_once.error().message);
  auto again = attest::evidence::sign_statement(nothing, *options.signing_key);
  if (!options.reproducible || (again.ok() && *again == *signed_once)) return {};
  return invalid(kOrigin,
                 "signing_key: signatures of its kind never repeat; a reproducible image wants an "
                 "Ed25519 key");
}

// Gives what the image will say about its launch.
Result<KrunConfig> check_options(const BuildOptions& options) {
  if (options.source.empty()) return invalid(kOrigin, "source: no folder given");
  if (options.output.empty()) return invalid(kOrigin, "output: no folder and no archive given");
  if (!options.workload_id.empty() && !is_plain_name(options.workload_id)) {
    return invalid(kOrigin,
                   "workload_id \"{}\": letters, digits, \".\", \"_\" and \"-\" only, at most {}",
                   options.workload_id, kMaxWorkloadId);
  }
  if (options.workload_id.size() == 64 && from_hex(options.workload_id).ok())
    return invalid(kOrigin,
                   "workload_id \"{}\": it has the form of a workload digest, and brokers "
                   "would take it for one",
                   options.workload_id);
  KrunConfig settings = TRY(krun_settings(options));
  if (!options.base_reference.empty() && options.base_image.empty())
    return invalid(kOrigin, "base_reference \"{}\": without a base_image", options.base_reference);
  if (!options.resource.empty() && settings.attestation_url.empty())
    return invalid(kOrigin, "resource \"{}\": without a broker_url, which would release it",
                   options.resource);
  TRY(check_scratch(options.scratch_bytes));
  TRY(check_signing(options));
  TRY(host_access(options, settings));
  TRY(check_launchable(options, settings));
  TRY(check_public(options, settings));
  return settings;
}

Result<void> check_absent(const fs::path& output) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(output, ignored))) return {};
  return make_error(ErrorCode::already_exists, kOrigin, "{}: output exists", output.string());
}

// "a/b/c" of plain names: how KBS names a resource.
Result<std::string> resource_of(const BuildOptions& options, const std::string& workload_id) {
  std::string resource =
      options.resource.empty() ? "default/disk-key/" + workload_id : options.resource;
  size_t first = resource.find('/'), second = resource.find('/', first + 1);
  bool fits = first != std::string::npos && second != std::string::npos &&
              is_plain_name(resource.substr(0, first)) &&
              is_plain_name(resource.substr(first + 1, second - first - 1)) &&
              is_plain_name(resource.substr(second + 1));
  if (!fits)
    return invalid(kOrigin, "resource \"{}\": not of the form repository/type/tag", resource);
  return resource;
}

// An image that is read: what it is and where its blobs are.
struct OpenedImage {
  fs::path layout;
  image::oci::SourceImage image;
};

// "localhost/app:1", "alpine": what podman and registries call images.
bool looks_like_reference(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-/:@") ==
             std::string_view::npos &&
         text.front() != '/' && text.front() != '.' && text.back() != '/';
}

// "web:v1" and "oci:web:v1" of a folder: the tag has an option of its own.
Result<void> check_has_no_tag(const fs::path& from) {
  const fs::path name = image::oci::path_of_image(from);
  const std::string& text = name.native();
  const size_t colon = text.rfind(':');
  std::error_code ignored;
  if (colon == text.npos || fs::exists(name, ignored) ||
      !fs::exists(fs::path(text.substr(0, colon)) / "oci-layout", ignored))
    return {};
  return make_error(ErrorCode::not_found, kOrigin,
                    "{}: no such folder; for the image \"{}\" in {} write {} and `reference` {}",
                    from.native(), text.substr(colon + 1), text.substr(0, colon),
                    text.substr(0, colon), text.substr(colon + 1));
}

Result<void> check_present(const fs::path& from) {
  std::error_code ignored;
  if (fs::exists(from, ignored) || !looks_like_reference(from.native())) return {};
  return make_error(ErrorCode::not_found, kOrigin,
                    "{0}: no such folder; for an image of podman's write containers-storage:{0}, "
                    "for a registry's docker://{0}",
                    from.native());
}

// A folder is used in place; what is none comes into `scratch` first.
Result<OpenedImage> open_image(const fs::path& from, const std::string& reference,
                               const fs::path& scratch, const ProgressSink& progress) {
  TRY(check_has_no_tag(from));
  bool fetches = image::oci::needs_fetch(from);
  if (fetches) TRY(image::oci::fetch(from, reference, scratch, progress));
  if (!fetches) TRY(check_present(from));
  fs::path layout = fetches ? scratch : from;
  image::oci::SourceImage image = TRY(image::oci::read_layout(layout, fetches ? "" : reference));
  return OpenedImage{std::move(layout), std::move(image)};
}

// One build, step by step, inside a folder that vanishes unless all of it succeeds.
class Build {
 public:
  Build(const BuildOptions& options, KrunConfig settings, OpenedImage source,
        std::optional<OpenedImage> base, fs::path folder)
      : options_(options),
        layout_(std::move(source.layout)),
        source_(std::move(source.image)),
        base_(std::move(base)),
        folder_(std::move(folder)),
        settings_(std::move(settings)) {}

  // The image is made at `output`: a folder that exists, or an archive that does not.
  Result<BuildReport> run(const image::oci::ImageName& output) {
    if (settings_.workload_id.empty())
      settings_.workload_id =
          TRY(image::oci::parse_digest(source_.manifest.digest, "manifest")).hex.substr(0, 32);
    report_.workload_id = settings_.workload_id;
    report_.resource = TRY(resource_of(options_, report_.workload_id));
    auto writer = output.archive ? image::oci::LayoutWriter::create_archive(output.path)
                                 : TRY(image::oci::LayoutWriter::create(output.path));
    TRY(open_foreign());
    TRY(make_image(writer, TRY(Process::of(contents_ ? *contents_ : source_, options_.force))));
    return std::move(report_);
  }

 private:
  // The configuration that it has inside is confidential: what is published is that of `source_`.
  Result<void> open_foreign() {
    if (!options_.source_passphrase) return {};
    foreign_ = TRY(ForeignSource::open(TRY(image::oci::Layout::open(layout_)), source_,
                                       *options_.source_passphrase, folder_, options_.progress));
    contents_ = source_;
    contents_->config = foreign_->config();
    return {};
  }

  Result<DiskSecrets> secrets() const {
    DiskSecrets secrets = TRY(
        options_.reproducible ? DiskSecrets::derive(*options_.disk_key, source_.content_digest())
                              : DiskSecrets::draw(options_.disk_key));
    if (options_.recovery_passphrase) secrets.luks.recovery = options_.recovery_passphrase->clone();
    return secrets;
  }

  // All of the manifest that is known before the disk is made.
  guest_abi::Manifest draft(const LuksHeader& header, const DiskSecrets& secrets) const {
    guest_abi::Manifest manifest;
    manifest.workload_id = report_.workload_id;
    manifest.network = options_.network;
    manifest.host = host_access(options_, settings_).value();  // checked before
    manifest.scratch_bytes = options_.scratch_bytes;
    manifest.luks2 = header.numbers;
    manifest.verity.salt = secrets.verity_salt;
    if (!settings_.attestation_url.empty()) {
      manifest.broker = guest_abi::Manifest::Broker{settings_.attestation_url,
                                                    options_.broker_ca_pem, report_.resource};
    }
    return manifest;
  }

  Result<void> make_image(image::oci::LayoutWriter& writer, const Process& process) {
    DiskSecrets secrets = TRY(this->secrets());
    LuksHeader header = TRY(make_checked_header(secrets));
    guest_abi::Manifest manifest = draft(header, secrets);
    std::string krun = TRY(image::parts::krun_json(settings_));
    auto [file, origin] = writer.layer_place();
    auto layer = TRY(OutputLayer::create(file, origin, krun));
    DiskPlace place{layer.fd(), layer.disk_start(), file.string(), folder_};
    auto prediction =
        foreign_ ? std::nullopt : predict_filesystem(layout_, source_, folder_, options_.progress);
    if (prediction) {
      place.prediction = &*prediction;
      place.stream = layer.begin_hashing(disk_bytes_for(prediction->size));
    }
    DiskSource source{layout_, contents_ ? *contents_ : source_, process,
                      foreign_ ? &*foreign_ : nullptr};
    auto totals = TRY(make_disk(place, source, secrets, header.bytes, manifest, options_.progress));
    report_.entries = totals.entries;
    report_.content_bytes = totals.content_bytes;
    TRY(take_manifest(manifest));
    report_.disk_key = std::move(secrets.luks.disk_key);
    auto finished = TRY(layer.finish(report_.manifest, TRY(statement()), manifest.disk_size,
                                     totals.hashed_bytes, options_.progress));
    report_.disk_bytes = finished.disk_bytes;
    return write_layout(writer, finished);
  }

  Result<void> take_manifest(const guest_abi::Manifest& manifest) {
    report_.manifest = TRY(manifest.serialize());
    // what the guest will do: better to know now
    TRY(guest_abi::Manifest::parse(report_.manifest));
    auto digest = guest_abi::workload_digest(report_.manifest);
    report_.workload_digest.assign(digest.begin(), digest.end());
    return {};
  }

  Result<std::string> statement() const {
    if (!options_.signing_key) return std::string();
    return attest::evidence::sign_statement(
        {report_.workload_id, options_.version, report_.workload_digest}, *options_.signing_key);
  }

  Result<void> write_layout(image::oci::LayoutWriter& writer, const OutputLayer::Finished& layer) {
    image::oci::Descriptor ours =
        TRY(writer.adopt_layer(image::oci::kLayerType, layer.hex, layer.size));
    auto layers = TRY(copy_base(writer));
    layers.push_back(ours);
    Publication public_part = TRY(publication_of(facts(ours.digest)));
    auto image = TRY(writer.finish(public_part.config, layers, public_part.annotations,
                                   options_.output_reference));
    report_.image_digest = image.digest;
    return {};
  }

  // The layers below ours, unchanged.
  Result<std::vector<image::oci::Descriptor>> copy_base(image::oci::LayoutWriter& writer) const {
    if (!base_) return std::vector<image::oci::Descriptor>();
    uint64_t total = 0;
    for (const image::oci::Descriptor& layer : base_->image.layers) total += layer.size;
    Meter meter(options_.progress, "base", total);
    for (const image::oci::Descriptor& layer : base_->image.layers)
      TRY(writer.copy_blob(base_->layout, layer, meter));
    return base_->image.layers;
  }

  PublicFacts facts(const std::string& layer_digest) const {
    PublicFacts facts;
    if (!options_.anonymous) facts.source = &source_;
    if (base_) facts.base = &base_->image;
    facts.base_name = public_name(options_.base_image.native());
    facts.created = created();
    facts.workload_id = report_.workload_id;
    facts.workload_digest = to_hex(report_.workload_digest);
    facts.layer_digest = layer_digest;
    return facts;
  }

  std::string created() const {
    if (options_.created) return rfc3339(*options_.created);
    if (!options_.reproducible) return rfc3339(std::time(nullptr));
    std::string source = options_.anonymous ? "" : created_of(source_);
    return source.empty() ? rfc3339(0) : source;
  }

  const BuildOptions& options_;
  fs::path layout_;  // of the source
  image::oci::SourceImage source_;
  std::optional<OpenedImage> base_;
  fs::path folder_;  // for temporary files
  KrunConfig settings_;
  std::optional<ForeignSource> foreign_;
  std::optional<image::oci::SourceImage> contents_;  // of the foreign disk; else source_
  BuildReport report_;
};

}  // namespace

Result<BuildPlan> check_build(const BuildOptions& options) {
  const KrunConfig settings = TRY(check_options(options));
  BuildPlan plan{{}, settings.vcpus, settings.ram_mib, TRY(image::parts::tee_of(settings))};
  TRY(check_has_no_tag(options.source));
  if (image::oci::needs_fetch(options.source)) return plan;
  TRY(check_present(options.source));
  auto source = TRY(image::oci::read_layout(options.source, options.reference));
  if (!options.source_passphrase) TRY(Process::of(source, options.force));
  plan.source_digest = source.manifest.digest;
  return plan;
}

namespace {

// At `partial`'s path, or the archive `archive` in it.
Result<BuildReport> build_in(const PartialFolder& partial, const fs::path& archive,
                             const BuildOptions& options, const KrunConfig& settings) {
  fs::path fetched = partial.path() / "source", fetched_base = partial.path() / "base";
  auto added = TRY(read_added_files(options.add_files));
  OpenedImage source =
      TRY(open_image(options.source, options.reference, fetched, options.progress));
  source.image.added = std::move(added);
  std::optional<OpenedImage> base;
  if (!options.base_image.empty()) {
    base =
        TRY(open_image(options.base_image, options.base_reference, fetched_base, options.progress));
  }
  image::oci::ImageName made{archive.empty() ? partial.path() : archive, !archive.empty()};
  BuildReport report =
      TRY(Build(options, settings, std::move(source), std::move(base), partial.path()).run(made));
  for (const fs::path& folder : {fetched, fetched_base}) {
    std::error_code failed;
    fs::remove_all(folder, failed);
    if (failed)
      return errno_error(failed.value(), kOrigin, fmt::format("{}: remove", folder.string()));
  }
  return report;
}

// To where skopeo copies it. What is fetched on the way may be nobody else's to read.
Result<BuildReport> build_elsewhere(const BuildOptions& options, const KrunConfig& settings) {
  PartialFolder partial =
      TRY(PartialFolder::create(TRY(temporary_folder()) / "bartizan-image", 0700));
  BuildReport report = TRY(build_in(partial, {}, options, settings));
  TRY(image::oci::push(partial.path(), options.output_reference, options.output, options.progress));
  report.output = options.output;
  return report;
}

}  // namespace

Result<BuildReport> build_image(const BuildOptions& options) {
  const BlockedSignal quiet(SIGXFSZ);
  const KrunConfig settings = TRY(check_options(options));
  if (image::oci::needs_push(options.output)) return build_elsewhere(options, settings);
  image::oci::ImageName output = TRY(image::oci::parse_output_name(options.output));
  TRY(check_absent(output.path));
  TRY(require_parent("`output`", output.path));
  PartialFolder partial = TRY(PartialFolder::create(output.path));
  const fs::path archive = output.archive ? partial.path() / "image.tar" : fs::path();
  BuildReport report = TRY(build_in(partial, archive, options, settings));
  TRY(output.archive ? partial.publish_file(archive, output.path) : partial.publish(output.path));
  report.output = output.path;
  return report;
}

}  // namespace bartizan
