// Machines: the four verbs, and what can be asked of a running guest.
#include "bartizan/machine.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

// More elements than this in a list of ports is a caller's mistake in the count.
constexpr size_t kMaxPorts = 1024;

bz::Result<void> fill_ports(const bartizan_machine_options& from, bz::MachineOptions& to) {
  if (from.publish_count > kMaxPorts) return bz::invalid(kOrigin, "publish_count: more than 1024");
  if (from.vsock_count > kMaxPorts) return bz::invalid(kOrigin, "vsock_count: more than 1024");
  if (!from.publish && from.publish_count) return missing("publish");
  if (!from.vsock && from.vsock_count) return missing("vsock");
  for (size_t i = 0; i < from.publish_count; ++i) {
    bz::PublishedPort port{text(from.publish[i].host_address), from.publish[i].host_port,
                           from.publish[i].guest_port};
    if (port.host_address.empty()) port.host_address = bz::PublishedPort().host_address;
    to.publish.push_back(std::move(port));
  }
  for (size_t i = 0; i < from.vsock_count; ++i) {
    TRY(require(from.vsock[i].path, "vsock: path"));
    to.vsock.push_back({from.vsock[i].port, from.vsock[i].path, from.vsock[i].listen != 0});
  }
  return {};
}

void fill_texts(const bartizan_machine_options& from, bz::MachineOptions& to) {
  if (from.name && *from.name) to.name = from.name;
  if (from.vcpus) to.vcpus = from.vcpus;
  if (from.ram_mib) to.ram_mib = from.ram_mib;
  to.bundle = text(from.bundle);
  to.extra_command_line = text(from.extra_command_line);
  if (from.kvm_device && *from.kvm_device) to.kvm_device = from.kvm_device;
  to.scratch_disk = text(from.scratch_disk);
}

bz::Result<bz::MachineOptions> machine_options(const bartizan_machine_options* from) {
  auto options = TRY(options_of(from, "bartizan_machine_options"));
  TRY(check_flags(options.flags, BARTIZAN_MACHINE_NO_NETWORK | BARTIZAN_MACHINE_STDIO, "flags"));
  bz::MachineOptions to;
  fill_texts(options, to);
  TRY(fill_ports(options, to));
  to.network = !(options.flags & BARTIZAN_MACHINE_NO_NETWORK);
  if (options.flags & BARTIZAN_MACHINE_STDIO) {
    to.stdin_fd = options.stdin_fd;
    to.stdout_fd = options.stdout_fd;
  }
  TRY(fill_tee_options(options.tee_options, to.tee_options));
  if (options.huge_pages < BARTIZAN_HUGE_PAGES_OFF ||
      options.huge_pages > BARTIZAN_HUGE_PAGES_RESERVED)
    return bz::invalid(kOrigin, "huge_pages: {} is none of BARTIZAN_HUGE_PAGES_*",
                       options.huge_pages);
  to.huge_pages = static_cast<bz::HugePages>(options.huge_pages);
  to.log = log_sink(options.log, options.log_user);
  to.guest_log = log_sink(options.guest_log, options.guest_log_user);
  return to;
}

bz::Result<bz::LuksDisk> luks_disk(const bartizan_luks_disk* from) {
  auto options = TRY(options_of(from, "bartizan_luks_disk"));
  TRY(require(options.path, "path"));
  auto manifest = TRY(bytes_of(options.manifest, "manifest"));
  auto disk_key = TRY(secret_of(options.disk_key, "disk_key"));
  return bz::LuksDisk{options.path, options.offset, options.size, std::move(manifest),
                      std::move(disk_key)};
}

bz::Result<void> give_exit(bz::Result<bz::ExitReason>&& ended, bartizan_exit** to) {
  bz::ExitReason reason = TRY(std::move(ended));
  if (!to) return {};
  std::string description = reason.describe();
  *to = new bartizan_exit{std::move(reason), std::move(description)};
  return {};
}

bz::Result<bz::MemoryView> view_of(int32_t number) {
  if (number != BARTIZAN_MEMORY_RAW && number != BARTIZAN_MEMORY_HOST)
    return bz::invalid(kOrigin, "view: {} is none of BARTIZAN_MEMORY_*", number);
  return static_cast<bz::MemoryView>(number);
}

}  // namespace

extern "C" {

int32_t bartizan_context_create(const bartizan_machine_options* options, bartizan_context** context,
                                bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    auto to = TRY(machine_options(options));
    auto created = TRY(bz::Context::create(std::move(to)));
    *context = new bartizan_context{std::move(created)};
    return {};
  });
}

void bartizan_context_free(bartizan_context* context) {
  delete context;
}

int32_t bartizan_context_set_tee(bartizan_context* context, int32_t tee, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    auto kind = TRY(tee_of(tee));
    return context->context.set_tee(kind);
  });
}

int32_t bartizan_context_attach_luks_disk(bartizan_context* context, const bartizan_luks_disk* disk,
                                          bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    if (!disk) return missing("disk");
    auto to = TRY(luks_disk(disk));
    return context->context.attach_luks_disk(std::move(to));
  });
}

int32_t bartizan_context_attach_image(bartizan_context* context, const char* image,
                                      const uint8_t* disk_key, size_t disk_key_size,
                                      bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    TRY(require(image, "image"));
    auto secret = TRY(secret_of({disk_key, disk_key_size}, "disk_key"));
    return context->context.attach_image(image, std::move(secret));
  });
}

int32_t bartizan_context_start(bartizan_context* context, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    return context->context.start();
  });
}

int32_t bartizan_context_start_enter(bartizan_context* context, bartizan_exit** reason,
                                     bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    return give_exit(context->context.start_enter(), reason);
  });
}

int32_t bartizan_context_wait(bartizan_context* context, int64_t limit_ms, bartizan_exit** reason,
                              bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    std::optional<std::chrono::milliseconds> limit;
    if (limit_ms >= 0) limit = std::chrono::milliseconds(limit_ms);
    return give_exit(context->context.wait(limit), reason);
  });
}

int bartizan_context_exit_fd(const bartizan_context* context) {
  return context ? context->context.exit_fd() : -1;
}

void bartizan_context_request_stop(bartizan_context* context, uint32_t grace_ms) {
  if (context) context->context.request_stop(grace_ms);
}

void bartizan_context_send_signal(bartizan_context* context, int32_t signal_number) {
  if (context) context->context.send_signal(signal_number);
}

int32_t bartizan_context_stats(const bartizan_context* context, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    if (!json) return missing("json");
    return give_json(bz::Result<bz::MachineStats>(context->context.stats()), json);
  });
}

int32_t bartizan_context_published_ports(const bartizan_context* context, bartizan_string** json,
                                         bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    if (!json) return missing("json");
    return give_json(bz::Result<std::vector<bz::PublishedPort>>(context->context.published_ports()),
                     json);
  });
}

uint64_t bartizan_context_memory_size(const bartizan_context* context) {
  return context ? context->context.memory_size() : 0;
}

int32_t bartizan_context_read_memory(const bartizan_context* context, int32_t view, uint64_t offset,
                                     uint8_t* to, size_t size, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    if (!to && size) return missing("to");
    auto kind = TRY(view_of(view));
    std::vector<uint8_t> bytes(size);  // outputs are untouched on failure
    TRY(context->context.read_memory(kind, offset, bytes));
    std::copy(bytes.begin(), bytes.end(), to);
    return {};
  });
}

int32_t bartizan_context_count_in_memory(const bartizan_context* context, int32_t view,
                                         const uint8_t* pattern, size_t size, uint64_t* count,
                                         bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    if (!count) return missing("count");
    auto kind = TRY(view_of(view));
    auto bytes = TRY(bytes_of({pattern, size}, "pattern"));
    *count = TRY(context->context.count_in_memory(kind, bytes));
    return {};
  });
}

int32_t bartizan_exit_kind(const bartizan_exit* reason) {
  return reason ? static_cast<int32_t>(reason->reason.kind) : BARTIZAN_EXIT_SHUTDOWN;
}
int32_t bartizan_exit_code(const bartizan_exit* reason) {
  return reason ? reason->reason.code : 0;
}
int32_t bartizan_exit_process_status(const bartizan_exit* reason) {
  return reason ? reason->reason.process_status() : 125;
}
const char* bartizan_exit_stage(const bartizan_exit* reason) {
  return reason ? reason->reason.stage.c_str() : "";
}
const char* bartizan_exit_detail(const bartizan_exit* reason) {
  return reason ? reason->reason.detail.c_str() : "";
}
const char* bartizan_exit_describe(const bartizan_exit* reason) {
  return reason ? reason->description.c_str() : "";
}
void bartizan_exit_free(bartizan_exit* reason) {
  delete reason;
}

}  // extern "C"
