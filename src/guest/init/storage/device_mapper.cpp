#include "guest/init/storage/device_mapper.hpp"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::guest::init::storage {
namespace {

constexpr const char* kControl = "/dev/mapper/control";
constexpr size_t kReplySpace = 4096;  // status lines of our targets are far shorter

// One ioctl's buffer: the header, then an optional target with its parameters or space for the
// reply.
class Request {
 public:
  Request(const std::string& name, size_t space, uint32_t flags)
      : bytes_(sizeof(dm_ioctl) + space) {
    dm_ioctl header{};
    header.version[0] = DM_VERSION_MAJOR;
    header.data_size = static_cast<uint32_t>(bytes_.size());
    header.data_start = sizeof(dm_ioctl);
    header.flags = flags;
    name.copy(header.name, sizeof header.name - 1);
    set(header);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { explicit_bzero(bytes_.data(), bytes_.size()); }  // a table may hold a key
  dm_ioctl header() const { return load_le<dm_ioctl>(bytes_.data()); }
  void set(const dm_ioctl& header) { store_le(bytes_.data(), header); }
  uint8_t* data() { return bytes_.data() + sizeof(dm_ioctl); }
  size_t space() const { return bytes_.size() - sizeof(dm_ioctl); }

  Result<void> call(int control, unsigned long operation, std::string_view what) {
    if (::ioctl(control, operation, bytes_.data()) == 0) return {};
    return errno_error(errno, "guest/device-mapper", fmt::format("{}: {}", header().name, what));
  }

 private:
  Bytes bytes_;
};

size_t target_space(const DmTable& table) {
  return align_up(sizeof(dm_target_spec) + table.parameters.size() + 1, 8);
}

void put_target(Request* request, const DmTable& table) {
  dm_target_spec target{};
  target.length = table.sectors;
  target.next = static_cast<uint32_t>(target_space(table));
  table.target.copy(target.target_type, sizeof target.target_type - 1);
  store_le(request->data(), target);
  std::copy(table.parameters.begin(), table.parameters.end(), request->data() + sizeof target);
  dm_ioctl header = request->header();
  header.target_count = 1;
  request->set(header);
}

}  // namespace

Result<DeviceMapper> DeviceMapper::open() {
  return DeviceMapper(TRY(open_file(kControl, O_RDWR)));
}

Result<MappedDevice> DeviceMapper::create(const std::string& name, const DmTable& table) {
  const uint32_t flags =
      (table.writable ? 0 : DM_READONLY_FLAG) | (table.secret ? DM_SECURE_DATA_FLAG : 0);
  Request create(name, 0, flags);
  TRY(create.call(control_.get(), DM_DEV_CREATE, "DM_DEV_CREATE"));
  Request load(name, target_space(table), flags);
  put_target(&load, table);
  TRY(load.call(control_.get(), DM_TABLE_LOAD, "DM_TABLE_LOAD " + table.target));
  Request resume(name, 0, flags);  // DM_DEV_SUSPEND without the suspend flag resumes
  TRY(resume.call(control_.get(), DM_DEV_SUSPEND, "DM_DEV_SUSPEND (resume)"));
  const uint64_t device = resume.header().dev;
  return MappedDevice{fmt::format("/dev/dm-{}", minor(device)),
                      fmt::format("{}:{}", major(device), minor(device))};
}

Result<void> DeviceMapper::remove(const std::string& name) {
  Request request(name, 0, 0);
  return request.call(control_.get(), DM_DEV_REMOVE, "DM_DEV_REMOVE");
}

Result<std::string> DeviceMapper::status(const std::string& name) {
  Request request(name, kReplySpace, 0);
  TRY(request.call(control_.get(), DM_TABLE_STATUS, "DM_TABLE_STATUS"));
  const dm_ioctl header = request.header();
  if (header.target_count == 0 || header.data_start != sizeof(dm_ioctl)) return std::string();
  const uint8_t* text = request.data() + sizeof(dm_target_spec);
  const uint8_t* end = request.data() + request.space();
  return std::string(text, std::find(text, end, 0));
}

}  // namespace bartizan::guest::init::storage
