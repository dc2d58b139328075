// Every call of every launch fails once, errno by errno: an Error that names the call and what its
// documentation gives as the cause; nothing is left (descriptors and threads: test_main; ASIDs
// here).
#include "fake_kvm/launch_support.hpp"
#include "guest_abi/stub_table.hpp"
#include "vmm/launch/causes.hpp"

namespace bartizan::launches {
namespace {

using ::testing::HasSubstr;

class EachCallFails : public ::testing::TestWithParam<Tee> {
 protected:
  // With all that makes calls of its own.
  static vmm::launch::LaunchIdentity bound() {
    auto bound = binding();
    if (GetParam() != Tee::snp) return bound;
    bound.certificate_table = Bytes(48, 1);
    bound.require_certificates = true;
    return bound;
  }
};

TEST_P(EachCallFails, NamesItAndItsCause) {
  auto wanted = plan(GetParam());
  auto blob = std::make_shared<const Bytes>(5000, uint8_t{1});
  wanted.staged.push_back({{guest_abi::kStagingFirst}, "kernel", blob});
  auto whole = std::make_shared<TeeKernel>();
  ASSERT_TRUE(create(whole, wanted, bound()).ok());
  ASSERT_GT(whole->calls(), 20u);
  for (int number : {ENOSPC, EINVAL, EIO, EBUSY, ENOMEM, ENOTTY, EBADF, EAGAIN}) {
    for (size_t n = 0; n < whole->calls(); ++n) {
      auto kernel = std::make_shared<TeeKernel>();
      kernel->fail_call = n;
      kernel->fail_errno = number;
      auto machine = create(kernel, wanted, bound());
      const std::string& call = kernel->failed_call();
      ASSERT_FALSE(machine.ok()) << "call " << n << " " << call;
      const std::string text = machine.error().describe();
      EXPECT_EQ(machine.error().os_errno, number) << call;
      EXPECT_THAT(text, HasSubstr(call));
      EXPECT_THAT(text, HasSubstr(std::string(vmm::launch::cause_of(call, number))));
      if (kernel->vm_count() > 0) {
        EXPECT_FALSE(kernel->last_vm().alive()) << call;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tees, EachCallFails,
                         ::testing::Values(Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx),
                         [](const auto& info) {
                           std::string name(to_string(info.param));
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace bartizan::launches
