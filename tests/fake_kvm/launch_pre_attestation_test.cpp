// A SEV launch as `bartizan run` makes it, from the image's manifest to the guest's memory: the
// manifest's broker over TLS, the boot stub's plan, the fake kernel with the platform's own keys.
#include "bartizan/broker.hpp"
#include "base/errors.hpp"
#include "fake_kvm/launch_support.hpp"
#include "fakes/tee_kernel_chain.hpp"
#include "guest_abi/launch_secret.hpp"
#include "plan/measure/launch_secret_page.hpp"
#include "unit/guest_abi/sample.hpp"
#include "unit/plan/boot/fake_kernel.hpp"
#include "vmm/machine/pre_attestation.hpp"
#include "vmm/machine/tee_options.hpp"

namespace bartizan::launches {
namespace {

using fakes::guest::expect_private;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using vmm::vcpu::End;

class PreAttestation : public ::testing::TestWithParam<Tee> {
 protected:
  void SetUp() override {
    auto name = (std::filesystem::temp_directory_path() / "bartizan-owner-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = std::make_unique<Unfinished>(name);
    options_.tee = GetParam();
    options_.bundle = folder_->path();
    options_.vcpus = 2;
    options_.ram_mib = 256;
    write_bundle(options_.bundle, plan::boot::fake_kernel(), Bytes(5000, 0xab));
    BrokerOptions serving;
    serving.state = folder_->path() / "state";
    serving.port = 0;
    serving.sev_roots = {fakes::fake_chain().root};
    broker_.emplace(Broker::start(std::move(serving)).value());
    manifest_ = make_manifest();
    tee_options_.platform_certificates = fakes::fake_chain().certificates;
  }
  Bytes make_manifest() {
    guest_abi::Manifest manifest = sample_manifest();
    manifest.broker =
        guest_abi::Manifest::Broker{broker_->url(), broker_->ca_pem(), "default/disk-key/one"};
    auto bytes = manifest.serialize().value();
    EXPECT_TRUE(guest_abi::Manifest::parse(bytes).ok())
        << guest_abi::Manifest::parse(bytes).error().describe();
    return bytes;
  }
  plan::tee::LaunchPlan wanted() {
    auto plan = plan::measure::make_plan(options_, false).value();
    plan.guest_policy = vmm::machine::guest_policy_of(tee_options_, GetParam());
    return plan;
  }
  BrokerAccess access() {
    Bytes token = read_file(broker_->admin_token_path(), 1000).value();
    return {broker_->url(), broker_->ca_pem(), SecretBytes(ByteView(token))};
  }
  void register_launch(const Bytes& digest) {
    Workload workload;
    workload.id = "one";
    auto bound = guest_abi::workload_digest(manifest_);
    workload.workload_digest.assign(bound.begin(), bound.end());
    workload.measurements = {digest};
    workload.resource = "default/disk-key/one";
    workload.disk_key = SecretBytes::from_string("correct horse");
    workload.tee = GetParam();
    auto done = register_workload(access(), workload);
    ASSERT_TRUE(done.ok()) << done.error().describe();
  }
  Result<void> launch(const plan::tee::LaunchPlan& plan) {
    auto bound =
        TRY(vmm::machine::make_binding(tee_options_, plan, guest_abi::workload_digest(manifest_)));
    const auto broker = TRY(guest_abi::Manifest::parse(manifest_)).broker;
    TRY(vmm::machine::resolve_guest_owner(*kernel_, {tee_options_, broker, key_from_caller_}, plan,
                                          &bound));
    machine_ = TRY(create(kernel_, plan, std::move(bound)));
    return {};
  }

  LaunchOptions options_;
  TeeOptions tee_options_;
  bool key_from_caller_ = false;
  std::unique_ptr<Unfinished> folder_;
  std::optional<Broker> broker_;
  Bytes manifest_;
  std::shared_ptr<TeeKernel> kernel_ = std::make_shared<TeeKernel>();
  std::unique_ptr<VirtualMachine> machine_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, PreAttestation, ::testing::Values(Tee::sev, Tee::sev_es),
                         [](const auto& info) { return info.param == Tee::sev ? "sev" : "es"; });

// The table as the guest's PID 1 will read it: the same bytes, in the file of the initramfs
// segment.
TEST_P(PreAttestation, TheBrokersKeyReachesTheGuest) {
  register_launch(measure(options_).value().digest);
  auto plan = wanted();
  auto launched = launch(plan);
  ASSERT_TRUE(launched.ok()) << launched.error().describe();
  guest_abi::LaunchSecret meant;
  meant.workload_digest = guest_abi::workload_digest(manifest_);
  meant.disk_key = SecretBytes::from_string("correct horse");
  SecretBytes table = guest_abi::write_launch_secret(meant).value();
  Bytes file(guest_abi::kLaunchSecretBytes);
  std::ranges::copy(table.bytes(), file.begin());
  Bytes head = plan::measure::launch_secret_page();
  head.resize(plan::measure::kSecretOffset);
  kernel_->scripts()[0] = {
      fakes::guest::expect_private(plan.secret.value - plan::measure::kSecretOffset, head),
      fakes::guest::expect_private(plan.secret.value, file), power_off()};
  EXPECT_EQ(run(*machine_).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel_->findings(), IsEmpty());
  EXPECT_EQ(kernel_->last_vm().record().digest, measure(options_).value().digest);
  std::string calls = kernel_->transcript(), wanted_call = "KVM_SEV_LAUNCH_SECRET hdr_len=52 ";
  EXPECT_THAT(calls, HasSubstr("SEV_PLATFORM_STATUS -> 0"));
  EXPECT_THAT(calls, HasSubstr("dh_len=2084 session_len=128"));
  EXPECT_THAT(calls, HasSubstr(wanted_call + "guest_len=112 trans_len=112"));
  auto audit = broker_audit(access(), "one").value();
  EXPECT_THAT(audit, HasSubstr("\"allowed\""));
  EXPECT_THAT(audit, Not(HasSubstr("correct horse")));
}

// Another plan under the registered one's name: the key stays where it is, and no guest runs.
TEST_P(PreAttestation, ALaunchOfSomethingElse) {
  register_launch(measure(options_).value().digest);
  auto plan = wanted();
  auto item = std::ranges::find(plan.items, "command_line", &plan::tee::PlanItem::what);
  Bytes changed = *item->bytes;
  changed[0] ^= 1;
  item->bytes = std::make_shared<const Bytes>(changed);
  auto error = launch(plan).error();
  EXPECT_EQ(error.code, ErrorCode::verification_failed);
  EXPECT_EQ(error.reason, "measurement");
  EXPECT_THAT(kernel_->transcript(), Not(HasSubstr("LAUNCH_SECRET")));
  EXPECT_THAT(kernel_->transcript(), Not(HasSubstr("LAUNCH_FINISH")));
}

TEST_P(PreAttestation, OfAnUnknownWorkload) {
  auto error = launch(wanted()).error();
  EXPECT_EQ(error.reason, "host_data");
  EXPECT_THAT(kernel_->transcript(), Not(HasSubstr("KVM_CREATE_VM")));
}

TEST_P(PreAttestation, OnAPlatformThatIsNotAmds) {
  register_launch(measure(options_).value().digest);
  tee_options_.platform_certificates[100] ^= 1;
  EXPECT_EQ(launch(wanted()).error().reason, "certificate_chain");
}

TEST_P(PreAttestation, WithoutADevice) {
  kernel_->host().sev_open_errno = ENOENT;
  EXPECT_THAT(launch(wanted()).error().message, HasSubstr("/dev/sev"));
}

TEST_P(PreAttestation, SomebodyMustGiveTheKey) {
  tee_options_.platform_certificates.clear();
  auto error = launch(wanted()).error();
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_THAT(error.message, HasSubstr("nobody gives the guest its key"));
  key_from_caller_ = true;
  EXPECT_TRUE(launch(wanted()).ok());
  tee_options_.platform_certificates = fakes::fake_chain().certificates;
  EXPECT_THAT(launch(wanted()).error().message, HasSubstr("has an owner or a key already"));
}

// The caller's own owner learns where the guest looks for a secret.
TEST_P(PreAttestation, AnOwnerInTheCaller) {
  tee_options_.platform_certificates.clear();
  uint64_t told = 0;
  tee_options_.owner = [&](const SevMeasurement& seen) -> Result<std::optional<SevSecret>> {
    told = seen.secret_address;
    return std::optional<SevSecret>();
  };
  auto plan = wanted();
  ASSERT_TRUE(launch(plan).ok());
  EXPECT_EQ(told, plan.secret.value);
  EXPECT_NE(told, 0u);
}

}  // namespace
}  // namespace bartizan::launches
