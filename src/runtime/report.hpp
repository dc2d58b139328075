// How an engine hears of an error: by a line on standard error, and by one in the file of --log, as
// runc and crun write them. Warnings go the same way.
#pragma once

#include <string>

#include "bartizan/error.hpp"
#include "runtime/command_line.hpp"

namespace bartizan::runtime {

enum class Severity { error, warning };

// {"level":"error","msg":…,"time":…} or time="…" level=error msg="…", with a newline.
std::string log_line(Severity severity, const std::string& message, bool json, int64_t seconds);

// "bartizan-runtime: create: …"
std::string describe(const Error& error, const std::string& command);

void report(const Error& error, const RuntimeCommand& command);
// What has no effect, or another one than the caller may think: the container starts anyway.
void warn(const std::string& remark, const RuntimeCommand& command);

}  // namespace bartizan::runtime
