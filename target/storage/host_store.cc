// SPDX-License-Identifier: GPL-2.0-only
//
// HostStore: a block device or file of the host, as include/os/storage.h has it.
#include "base/alloc.hh"
#include "target/storage/store.hh"

namespace chiscsi::storage {

namespace {

class HostStore final : public Store {
 public:
  HostStore(os_storage* storage, const os_storage_facts& facts) : storage_(storage) {
    facts_ = facts;
  }
  ~HostStore() override { os_storage_close(storage_); }
  void submit(os_storage_request& request) override { os_storage_submit(storage_, &request); }
  uint64_t size() const override { return os_storage_size(storage_); }
  uint64_t used() const override { return os_storage_used(storage_); }
  uint32_t flags() const override { return os_storage_flags(storage_); }

 private:
  os_storage* const storage_;
};

}  // namespace

Result<OwnPtr<Store>> open_host_store(const char* path, unsigned int flags) {
  os_storage* storage = nullptr;
  os_storage_facts facts = {};
  const int rc = os_storage_open(path, flags, &storage, &facts);
  if (rc < 0) return Status::from_errno(rc).error();
  OwnPtr<HostStore> store = make<HostStore>(Alloc::kMaySleep, storage, facts);
  if (!store) {
    os_storage_close(storage);
    return Error::kNoMemory;
  }
  return OwnPtr<Store>(std::move(store));
}

}  // namespace chiscsi::storage
