// TDX launches on the fake kernel, and quotes by way of a played quote service.
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/unique_fd.hpp"
#include "fake_kvm/launch_support.hpp"
#include "vmm/launch/tdx/quote.hpp"

namespace bartizan::launches {
namespace {

using fakes::guest::expect_private;
using fakes::guest::expect_shared;
using fakes::guest::map_gpa;
using fakes::guest::tdvmcall;
using fakes::guest::touch_private;
using fakes::guest::touch_shared;
using fakes::guest::validate;
using fakes::guest::write_private;
using fakes::guest::write_shared;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::vcpu::End;

constexpr uint64_t kBuffer = 0x900000;
constexpr uint64_t kBufferSize = 0x4000;

class TdxLaunch : public ::testing::Test, protected Launches {};

TEST_F(TdxLaunch, LaunchesWhatIsMeasured) {
  auto wanted = plan(Tee::tdx);
  launch(wanted);
  EXPECT_TRUE(record().finished);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  EXPECT_EQ(record().attributes, vmm::kvm::kTdxAttributeSeptVeDisable);
  EXPECT_EQ(record().xfam & 3, 3u);
  EXPECT_EQ(record().loaded.size(), 5u + 3 + 1 + 300);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  auto digest = binding().workload_digest;
  std::vector<uint8_t> config(digest.begin(), digest.end());
  config.resize(48);
  EXPECT_EQ(record().host_data, config);
  EXPECT_EQ(kernel->last_vm().vcpus().at(1).initialised, true);
  fakes::expect_golden("tdx", kernel->transcript());
}

TEST_F(TdxLaunch, InterruptedByASignalEverySoOften) {
  kernel->host().interrupt_after_pages = 2;
  auto wanted = plan(Tee::tdx);
  launch(wanted);
  EXPECT_EQ(record().digest, expected_digest(wanted));
}

TEST_F(TdxLaunch, TheGuestSeesThePlanAndConverts) {
  kernel->scripts()[0] = {fakes::guest::expect_private(0x1000, {0xf4, 0xf4}),
                          fakes::guest::expect_private(0x8000, Bytes(3 * 4096)),
                          fakes::guest::expect_private(0x10000, {1, 2, 3}),
                          fakes::guest::validate(0x800000, 64 * 4096),
                          fakes::guest::write_private(0x800000, Bytes(64 * 4096, 1)),
                          fakes::guest::map_gpa(0x800000, 32 * 4096, false),
                          fakes::guest::write_shared(0x800000, Bytes(32 * 4096, 2)),
                          fakes::guest::map_gpa(0x800000, 16 * 4096, true),
                          fakes::guest::validate(0x800000, 16 * 4096),
                          fakes::guest::touch_shared(0xa00000),
                          power_off()};
  EXPECT_EQ(run(launch(plan(Tee::tdx))).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  EXPECT_EQ(kernel->last_vm().memory().pages_held_twice(), 0u);
}

TEST_F(TdxLaunch, MemoryAboveFourGiB) {
  auto wanted = plan(Tee::tdx, 4, 5 * 1024 * kMiB);
  wanted.items.push_back(item(0x1'0000'0000, PageKind::normal, "high", 2, Bytes{1, 2}));
  kernel->scripts()[0] = {fakes::guest::expect_private(0x1'0000'0000, {1, 2}),
                          fakes::guest::validate(0x1'1000'0000, 4096),
                          fakes::guest::map_gpa(0x1'2000'0000, 64 * kMiB, false), power_off()};
  VirtualMachine& vm = launch(wanted);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  EXPECT_EQ(run(vm).kind, End::Kind::shutdown);
  EXPECT_EQ(vm.memory().shared_pages(), 64 * kMiB / 4096);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

// 64 GiB and more, by layout; MapGPA comes in pieces of 2 MiB, each one attribute call.
TEST_F(TdxLaunch, SixtyFiveGiBAndAHugeConversion) {
  auto wanted = plan(Tee::tdx, 4, 65 * 1024 * kMiB);
  wanted.items.push_back(item(0x8'0000'0000, PageKind::normal, "high", 2, Bytes{1, 2}));
  kernel->scripts()[0] = {fakes::guest::expect_private(0x8'0000'0000, {1, 2}),
                          fakes::guest::validate(0xf'0000'0000, 8192),
                          fakes::guest::map_gpa(0xf'0000'0000, 1024 * kMiB, false),
                          fakes::guest::write_shared(0xf'2000'0000, {7}), power_off()};
  VirtualMachine& vm = launch(wanted);
  EXPECT_EQ(vm.memory().size(), 65 * 1024 * kMiB);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  for (const auto& [id, vcpu] : kernel->last_vm().vcpus()) EXPECT_TRUE(vcpu.initialised) << id;
  size_t before = calls_of(*kernel, "KVM_SET_MEMORY_ATTRIBUTES");
  EXPECT_EQ(run(vm).kind, End::Kind::shutdown);
  EXPECT_EQ(calls_of(*kernel, "KVM_SET_MEMORY_ATTRIBUTES") - before, 512u);
  EXPECT_EQ(vm.memory().shared_pages(), 1024 * kMiB / 4096);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

// Attributes beside SEPT_VE_DISABLE: those that the host offers.
TEST_F(TdxLaunch, WantedAttributes) {
  constexpr uint64_t kDebug = 1;
  auto wanted = plan(Tee::tdx);
  wanted.guest_policy = kDebug;
  EXPECT_THAT(failure(wanted), HasSubstr("attributes 0x10000000 lack 0x1"));
  kernel->host().tdx_attributes |= kDebug;
  launch(wanted);
  EXPECT_EQ(record().attributes, vmm::kvm::kTdxAttributeSeptVeDisable | kDebug);
}

// Only what the module lets a VMM choose is chosen; a long list is asked for again.
TEST_F(TdxLaunch, ALongListOfConfigurableLeaves) {
  auto& leaves = kernel->host().tdx_configurable;
  for (uint32_t i = 0; i < 100; ++i) {
    kvm_cpuid_entry2 more{};
    more.function = 0x40;
    more.index = i;
    leaves.push_back(more);
  }
  launch(plan(Tee::tdx));
  EXPECT_THAT(kernel->transcript(), HasSubstr("KVM_TDX_CAPABILITIES nent=64 -> -E2BIG"));
  EXPECT_THAT(kernel->transcript(), HasSubstr("KVM_TDX_CAPABILITIES nent=128 -> 0"));
  leaves.resize(300);
  EXPECT_THAT(failure(plan(Tee::tdx)), HasSubstr("KVM_TDX_CAPABILITIES (the kernel lists more"));
}

TEST_F(TdxLaunch, AModuleWithoutSeptVeDisable) {
  kernel->host().tdx_attributes = 0;
  EXPECT_THAT(failure(plan(Tee::tdx)), HasSubstr("lack 0x10000000 (SEPT_VE_DISABLE)"));
}

TEST_F(TdxLaunch, ABusyModule) {
  kernel->host().tdx_busy = true;
  EXPECT_THAT(failure(plan(Tee::tdx)), HasSubstr("KVM_TDX_FINALIZE_VM (the TDX module is busy)"));
}

TEST_F(TdxLaunch, APageTwice) {
  auto wanted = plan(Tee::tdx);
  wanted.items.push_back(item(0x1000, PageKind::normal, "again", 1, Bytes{1}));
  EXPECT_THAT(failure(wanted), HasSubstr("the page was loaded before"));
}

TEST_F(TdxLaunch, TouchBeforeAcceptEndsTheGuest) {
  kernel->scripts()[0] = {fakes::guest::touch_private(0x800000), power_off()};
  auto end = run(launch(plan(Tee::tdx)));
  EXPECT_EQ(end.kind, End::Kind::crash);
  EXPECT_THAT(end.detail, HasSubstr("KVM_RUN"));
}

TEST_F(TdxLaunch, AFatalErrorIsReportedWithItsText) {
  kernel->scripts()[0] = {fakes::guest::exit([](kvm_run& run) {
    run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
    run.system_event.type = vmm::kvm::kSystemEventTdxFatal;
    run.system_event.ndata = 16;
    std::memset(run.system_event.data, 0, 16 * 8);
    std::memcpy(&run.system_event.data[14], "no virt", 7);
    std::memcpy(&run.system_event.data[15], "io\x1b!", 4);
    return 0;
  })};
  auto end = run(launch(plan(Tee::tdx)));
  EXPECT_EQ(end.kind, End::Kind::crash);
  EXPECT_EQ(end.detail, "TD reported a fatal error 0x0: no virtio!");
}

// The guest programs our I/O APIC; KVM learns which message each line sends.
TEST_F(TdxLaunch, InterruptsAreRoutedAsTheGuestSays) {
  auto mmio = [](uint64_t offset, uint32_t value) {
    return fakes::guest::exit([=](kvm_run& run) {
      run.exit_reason = KVM_EXIT_MMIO;
      run.mmio.phys_addr = 0xfec00000 + offset;
      run.mmio.len = 4;
      run.mmio.is_write = 1;
      std::memcpy(run.mmio.data, &value, sizeof value);
      return 0;
    });
  };
  kernel->scripts()[0] = {mmio(0, 0x1b), mmio(0x10, 3u << 24), mmio(0, 0x1a), mmio(0x10, 0x41),
                          power_off()};
  EXPECT_EQ(run(launch(plan(Tee::tdx))).kind, End::Kind::shutdown);
  const auto& routes = kernel->last_vm().plain().routes;
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].gsi, 5u);
  EXPECT_EQ(routes[0].type, static_cast<uint32_t>(KVM_IRQ_ROUTING_MSI));
  EXPECT_EQ(routes[0].u.msi.address_lo, 0xfee03000u);
  EXPECT_EQ(routes[0].u.msi.data, 0x4041u);
}

// A quote generation service: answers each connection once.
class Service {
 public:
  explicit Service(Bytes answer) : answer_(std::move(answer)) {
    path_ = "/tmp/bartizan-qgs-" + std::to_string(::getpid());
    ::unlink(path_.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    start();
  }
  Service(UniqueFd bound, Bytes answer) : answer_(std::move(answer)), listener_(std::move(bound)) {
    start();
  }
  ~Service() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  Bytes asked;

 private:
  void start() {
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    thread_ = std::thread([this] { serve(); });
  }
  void serve() {
    UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) return;
    asked.resize(4 + 24 + 1024);
    EXPECT_EQ(::recv(peer.get(), asked.data(), asked.size(), MSG_WAITALL),
              static_cast<ssize_t>(asked.size()));
    EXPECT_EQ(::send(peer.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer_.size()));
  }
  std::string path_;
  Bytes answer_;
  UniqueFd listener_;
  std::thread thread_;
};

Bytes answer(const Bytes& quote, uint32_t error = 0) {
  Bytes bytes(4 + 24);
  auto size = static_cast<uint32_t>(24 + quote.size());
  bytes[2] = static_cast<uint8_t>(size >> 8);
  bytes[3] = static_cast<uint8_t>(size);
  bytes[4] = bytes[6] = 1;
  bytes[8] = 1;  // GET_QUOTE_RESP
  std::memcpy(bytes.data() + 12, &size, 4);
  std::memcpy(bytes.data() + 16, &error, 4);
  auto length = static_cast<uint32_t>(quote.size());
  std::memcpy(bytes.data() + 24, &length, 4);
  bytes.insert(bytes.end(), quote.begin(), quote.end());
  return bytes;
}

Bytes request_head(uint64_t version = 1, uint32_t length = 1024) {
  Bytes bytes(24 + 1024, 0xab);
  std::fill_n(bytes.begin(), 24, uint8_t{0});
  std::memcpy(bytes.data(), &version, 8);
  std::memcpy(bytes.data() + 16, &length, 4);
  return bytes;
}

class Quote : public TdxLaunch {
 protected:
  // The guest asks, then polls until the status is final, as its driver does; what it finds.
  uint64_t ask(const std::string& service, Bytes head = request_head(), uint64_t at = kBuffer,
               uint64_t size = kBufferSize) {
    auto bound = binding();
    bound.quote_service = service;
    kernel->scripts()[0] = {fakes::guest::map_gpa(kBuffer, kBufferSize, false),
                            fakes::guest::write_shared(kBuffer, head),
                            fakes::guest::tdvmcall(vmm::kvm::kTdvmcallGetQuote, {at, size}),
                            fakes::guest::exit([this](kvm_run& run) {
                              for (int i = 0; i < 2000 && status() == ~0ull; ++i) ::usleep(1000);
                              run.exit_reason = KVM_EXIT_SHUTDOWN;
                              return 0;
                            })};
    run(launch(plan(Tee::tdx, 1), bound));
    return kernel->last_vm().vcpus().at(0).answers.back();
  }
  // As a guest reads it while somebody else may write it.
  uint64_t status() {
    auto place = machine->memory().window({kBuffer + 8}, sizeof(uint64_t));
    if (!place.ok()) return 1;
    std::atomic_ref<uint64_t> value(*reinterpret_cast<uint64_t*>(place->data()));
    return value.load(std::memory_order_acquire);
  }
};

TEST_F(Quote, GoesToTheServiceAndBack) {
  Bytes quote(5000, 0x77);
  Service service(answer(quote));
  EXPECT_EQ(ask(service.path()), vmm::kvm::kTdvmcallSuccess);
  EXPECT_EQ(status(), 0u);
  Bytes seen(quote.size());
  ASSERT_TRUE(machine->memory().read({kBuffer + 24}, seen).ok());
  EXPECT_EQ(seen, quote);
  EXPECT_EQ(*machine->memory().read_object<uint32_t>({kBuffer + 20}), 5000u);
  EXPECT_EQ(Bytes(service.asked.begin() + 28, service.asked.end()), Bytes(1024, 0xab));
  EXPECT_EQ(service.asked[2], 4);  // 1048 bytes, big endian
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

TEST_F(Quote, ServiceThatRefusesOrTalksNonsense) {
  for (Bytes bad : {answer(Bytes(10, 1), 0x12001), answer({}), Bytes{0xff, 0xff, 0xff, 0xff},
                    Bytes{0, 0, 0, 4, 1, 2, 3, 4}, answer(Bytes(kBufferSize, 1))}) {
    Service service(bad);
    EXPECT_EQ(ask(service.path()), vmm::kvm::kTdvmcallSuccess);
    EXPECT_EQ(status(), 0x8000'0000'0000'0001);
    machine.reset();
  }
}

TEST_F(Quote, NoService) {
  EXPECT_EQ(ask(""), vmm::kvm::kTdvmcallSuccess);
  EXPECT_EQ(status(), 0x8000'0000'0000'0001);
  EXPECT_EQ(ask("/nonexistent/qgs"), vmm::kvm::kTdvmcallSuccess);
  EXPECT_EQ(status(), 0x8000'0000'0000'0001);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

// A service in another VM, or behind the host's own loopback CID where that exists.
TEST_F(Quote, ServiceAddresses) {
  for (const char* good : {"", "/run/qgs", "vsock:2:4050", "vsock:1:4294967294"}) {
    EXPECT_TRUE(vmm::launch::tdx::check_quote_service(good).ok()) << good;
  }
  for (const char* bad : {"qgs", "vsock:", "vsock:2", "vsock:x:1", "vsock:2:", "vsock:2:4050 ",
                          "vsock:4294967295:1", "vsock:1:4294967296", "vsock:-1:1"}) {
    auto checked = vmm::launch::tdx::check_quote_service(bad);
    ASSERT_FALSE(checked.ok()) << bad;
    EXPECT_EQ(checked.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(checked.error().message, HasSubstr(bad));
  }
  EXPECT_FALSE(vmm::launch::tdx::check_quote_service("/" + std::string(200, 'x')).ok());
  auto bound = binding();
  bound.quote_service = "qgs";
  EXPECT_THAT(failure(plan(Tee::tdx), bound), HasSubstr("quote service \"qgs\""));
}

TEST_F(Quote, ServiceBehindAVsock) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_LOCAL;
  address.svm_port = 0x62617274;
  UniqueFd listener(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.valid() ||
      ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    GTEST_SKIP() << "no vsock loopback on this kernel";
  }
  Bytes quote(5000, 0x55);
  Service service(std::move(listener), answer(quote));
  EXPECT_EQ(ask("vsock:1:1650553460"), vmm::kvm::kTdvmcallSuccess);
  EXPECT_EQ(status(), 0u);
  Bytes seen(quote.size());
  ASSERT_TRUE(machine->memory().read({kBuffer + 24}, seen).ok());
  EXPECT_EQ(seen, quote);
}

// A vsock address that leads nowhere is as good as no service.
TEST_F(Quote, NobodyBehindAVsock) {
  EXPECT_EQ(ask("vsock:1:9"), vmm::kvm::kTdvmcallSuccess);
  EXPECT_EQ(status(), 0x8000'0000'0000'0001);
}

// What a hostile guest may say of its buffer.
TEST_F(Quote, BadBuffers) {
  for (auto [at, size] : std::vector<std::pair<uint64_t, uint64_t>>{{kBuffer + 8, 4096},
                                                                    {kBuffer, 0},
                                                                    {kBuffer, 4095},
                                                                    {kBuffer, kBufferSize + 4096},
                                                                    {0x800000, 4096},
                                                                    {0xd0000000, 4096},
                                                                    {~0xfffull, 4096},
                                                                    {kBuffer, 1ull << 40}}) {
    EXPECT_EQ(ask("", request_head(), at, size), vmm::kvm::kTdvmcallInvalidOperand)
        << at << " " << size;
    machine.reset();
  }
  EXPECT_EQ(ask("", request_head(2)), vmm::kvm::kTdvmcallInvalidOperand);
  machine.reset();
  EXPECT_EQ(ask("", request_head(1, 0xffffffff)), vmm::kvm::kTdvmcallInvalidOperand);
  machine.reset();
  EXPECT_EQ(ask("", request_head(1, 1023)), vmm::kvm::kTdvmcallInvalidOperand);
}

// Other calls keep KVM's own answer.
TEST_F(Quote, OtherCallsAreUnsupported) {
  kernel->scripts()[0] = {fakes::guest::tdvmcall(vmm::kvm::kTdvmcallSetupEventNotify, {40}),
                          power_off()};
  run(launch(plan(Tee::tdx, 1)));
  EXPECT_EQ(kernel->last_vm().vcpus().at(0).answers.back(),
            vmm::kvm::kTdvmcallSubfunctionUnsupported);
}

}  // namespace
}  // namespace bartizan::launches
