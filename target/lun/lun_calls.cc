// SPDX-License-Identifier: GPL-2.0-only
//
// What a storage driver says of its LUNs: the bodies of the exported calls on LUN handles.
//
// They run in whatever context the driver is in, on a reference of their own; a handle of a LUN
// that is gone finds nothing.
#include "os/log.h"
#include "target/engine.hh"

using namespace chiscsi;  // NOLINT: this file is the C interface.

extern "C" {

int engine_lun_set_geometry(unsigned long hndl, const chiscsi_lun_geometry* geometry) {
  if (geometry == nullptr) return -static_cast<int>(Error::kInvalid);
  Ref<Lun> lun = Engine::instance().lun_handles().find(hndl);
  if (!lun) return -static_cast<int>(Error::kStale);
  const Status status = lun->set_geometry(*geometry);
  if (!status.is_ok()) {
    os_log_limited(OS_LOG_ERROR,
                   "LUN handle %lu: bad geometry, %llu blocks of %u bytes, flags 0x%x", hndl,
                   geometry->blocks, geometry->block_size, geometry->flags);
  }
  lun->announce_news(Engine::instance().login_worker());
  return status.to_errno();
}

int engine_lun_set_usage(unsigned long hndl, unsigned long long used,
                         unsigned long long available) {
  Ref<Lun> lun = Engine::instance().lun_handles().find(hndl);
  if (!lun) return -static_cast<int>(Error::kStale);
  const Status status = lun->set_usage(used, available);
  lun->announce_news(Engine::instance().login_worker());
  return status.to_errno();
}

int engine_lun_set_sanitize(unsigned long hndl, unsigned int state, unsigned int progress) {
  if (state > CHISCSI_LUN_SANITIZE_FAILED || progress > 0xffff) {
    return -static_cast<int>(Error::kInvalid);
  }
  Ref<Lun> lun = Engine::instance().lun_handles().find(hndl);
  if (!lun) return -static_cast<int>(Error::kStale);
  lun->set_sanitize({static_cast<uint8_t>(state), static_cast<uint16_t>(progress)});
  return 0;
}

int engine_lun_set_private(unsigned long hndl, void* priv) {
  Ref<Lun> lun = Engine::instance().lun_handles().find(hndl);
  if (!lun) return -static_cast<int>(Error::kStale);
  lun->set_driver_private(priv);
  return 0;
}

}  // extern "C"
