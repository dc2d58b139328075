// Machines: the four verbs, and what can be asked of a running guest.
#include "bartizan/machine.hpp"

#include "c/bundle_handle.hpp"
#include "c/options.hpp"

struct bartizan_context {
  bartizan::Context context;
};

struct bartizan_exit {
  bartizan::ExitReason reason;
  std::string description;
};

namespace bartizan::c {

Result<void> finish(const bartizan_machine_options& from, MachineOptions& to) {
  if (from.flags & BARTIZAN_MACHINE_STDIO) {
    to.stdin_fd = from.stdin_fd;
    to.stdout_fd = from.stdout_fd;
  }
  if (from.loaded_bundle) to.loaded_bundle = from.loaded_bundle->bundle;
  return {};
}

}  // namespace bartizan::c

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

bz::Result<void> give_exit(bz::Result<bz::ExitReason>&& ended, bartizan_exit** to) {
  bz::ExitReason reason = TRY(std::move(ended));
  if (!to) return {};
  std::string description = reason.describe();
  *to = new bartizan_exit{std::move(reason), std::move(description)};
  return {};
}

std::optional<std::chrono::milliseconds> limit_of(int64_t limit_ms) {
  if (limit_ms < 0) return std::nullopt;
  return std::chrono::milliseconds(limit_ms);
}

bz::Result<bz::MemoryView> view_of(int32_t number) {
  if (number != BARTIZAN_MEMORY_RAW && number != BARTIZAN_MEMORY_HOST)
    return bz::invalid(kApiOrigin, "view: {} is none of BARTIZAN_MEMORY_*", number);
  return static_cast<bz::MemoryView>(number);
}

}  // namespace

extern "C" {

int32_t bartizan_context_create(const bartizan_machine_options* options, bartizan_context** context,
                                bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    auto to = TRY(from_c(options));
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
    auto to = TRY(from_c(disk));
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
    return give_exit(context->context.wait(limit_of(limit_ms)), reason);
  });
}

int32_t bartizan_context_wait_for(bartizan_context* context, int32_t event, int64_t limit_ms,
                                  bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    bz::MachineEvent wanted{};
    TRY(assign_enum(event, BARTIZAN_EVENT_EXITED, "event", "BARTIZAN_EVENT_*", wanted));
    return context->context.wait_for(wanted, limit_of(limit_ms));
  });
}

int32_t bartizan_context_next_event(bartizan_context* context) {
  const auto event = context ? context->context.next_event() : std::nullopt;
  return event ? static_cast<int32_t>(*event) : -1;
}

int bartizan_context_event_fd(const bartizan_context* context) {
  return context ? context->context.event_fd() : -1;
}

int32_t bartizan_context_pause(bartizan_context* context, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    return context->context.pause();
  });
}

int32_t bartizan_context_resume(bartizan_context* context, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!context) return missing("context");
    return context->context.resume();
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
