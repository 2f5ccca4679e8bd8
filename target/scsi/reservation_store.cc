// SPDX-License-Identifier: GPL-2.0-only
//
// ReservationStore: the order of the steps. See reservation_store.hh.
#include "target/scsi/reservation_store.hh"

#include "os/log.h"

namespace chiscsi::scsi {

namespace reservation_store_detail {

constexpr Text kRecordSuffix = ".pr", kFreshSuffix = ".new", kBadSuffix = ".bad";
// A folder's name that leaves room for the longest file name.
constexpr size_t kMaxFolderName = OS_PATH_SIZE - 1 - 1 - iscsi::kMaxNameLength - 1 - 16 - 4;

// Letters, digits and the marks that iSCSI names have; anything else would mean something to a
// shell or a path.
char safe(char c) {
  const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == ':' || c == '-';
  return plain ? c : '_';
}

Text parent_of(Text path) {
  size_t at = path.size();
  while (at > 1 && path[at - 1] != '/')
    --at;
  return path.first(at > 1 ? at - 1 : 1);
}

// Writes a path in its place.
class PathLine {
 public:
  explicit PathLine(FixedText<OS_PATH_SIZE - 1>& path) : path_(path) { path_.clear(); }
  void add(Text text) {
    for (const char c : text)
      add(c);
  }
  void add(char c) {
    if (size_ + 1 < OS_PATH_SIZE) path_.mutable_c_str()[size_++] = c;
    path_.mutable_c_str()[size_] = '\0';
  }

 private:
  FixedText<OS_PATH_SIZE - 1>& path_;
  size_t size_ = 0;
};

}  // namespace reservation_store_detail

Status ReservationStore::set_folder(Text folder) {
  using namespace reservation_store_detail;
  if (folder.size() > kMaxFolderName || folder.size() < 2 || folder[0] != '/') {
    return Error::kInvalid;
  }
  folder_.assign(folder);
  return Status();
}

// Where there is one already, this does nothing; a new one has to be safe like what is in it.
Status ReservationStore::make_folder() {
  using namespace reservation_store_detail;
  const Text folder = folder_.text(), above = parent_of(folder), top = parent_of(above);
  if (above.size() > 1) {
    path_.assign(above);
    static_cast<void>(os_folder_make(path_.c_str()));
    path_.assign(top);
    static_cast<void>(os_folder_sync(path_.c_str()));
  }
  path_.assign(above);
  CHISCSI_TRY(Status::from_errno(os_folder_make(folder_.c_str())));
  return Status::from_errno(os_folder_sync(path_.c_str()));
}

void ReservationStore::set_path(Path& path, const UnitName& unit, Text suffix) const {
  using namespace reservation_store_detail;
  PathLine line(path);
  line.add(folder_.text());
  line.add('/');
  for (const char c : unit.target.text())
    line.add(safe(c));
  line.add('.');
  for (const uint8_t byte : unit.naa) {
    line.add("0123456789abcdef"[byte >> 4]);
    line.add("0123456789abcdef"[byte & 0xf]);
  }
  line.add(suffix);
}

Status ReservationStore::save(const UnitName& unit, Bytes record) {
  using namespace reservation_store_detail;
  Path& path = path_;
  Path& fresh = second_path_;
  set_path(fresh, unit, kFreshSuffix);
  int rc = os_file_write(fresh.c_str(), record.data(), record.size());
  if (rc == -static_cast<int>(Error::kNoEntry) && make_folder().is_ok()) {
    rc = os_file_write(fresh.c_str(), record.data(), record.size());
  }
  set_path(path, unit, kRecordSuffix);
  if (rc >= 0) rc = os_file_rename(fresh.c_str(), path.c_str());
  if (rc >= 0) rc = os_folder_sync(folder_.c_str());
  if (rc < 0) {
    os_log_limited(OS_LOG_ERROR, "%s: cannot be written, error %d: registrations of %s",
                   path.c_str(), -rc, unit.target.c_str());
  }
  return Status::from_errno(rc);
}

Status ReservationStore::remove(const UnitName& unit) {
  using namespace reservation_store_detail;
  Path& path = path_;
  set_path(path, unit, kRecordSuffix);
  int rc = os_file_remove(path.c_str());
  if (rc >= 0 || rc == -static_cast<int>(Error::kNoEntry)) rc = os_folder_sync(folder_.c_str());
  if (rc == -static_cast<int>(Error::kNoEntry)) rc = 0;  // Not even the folder is there.
  if (rc < 0) os_log_limited(OS_LOG_ERROR, "%s: cannot be removed, error %d", path.c_str(), -rc);
  return Status::from_errno(rc);
}

Status ReservationStore::put_aside(const UnitName& unit, const char* why) {
  using namespace reservation_store_detail;
  Path& path = path_;
  Path& bad = second_path_;
  set_path(path, unit, kRecordSuffix);
  set_path(bad, unit, kBadSuffix);
  os_log(OS_LOG_ERROR, "%s: %s: registrations are lost, the file is kept as %s", path.c_str(), why,
         bad.c_str());
  int rc = os_file_rename(path.c_str(), bad.c_str());
  if (rc >= 0) rc = os_folder_sync(folder_.c_str());
  if (rc < 0) os_log(OS_LOG_ERROR, "%s: cannot be renamed, error %d", path.c_str(), -rc);
  return Status::from_errno(rc);
}

Result<OwnPtr<Reservations>> ReservationStore::load(const UnitName& unit) {
  using namespace reservation_store_detail;
  Path& path = path_;
  set_path(path, unit, kRecordSuffix);
  constexpr long kNone = -static_cast<long>(Error::kNoEntry);
  // The rule, which needs no memory for a record.
  if (os_file_read(path.c_str(), nullptr, 0) == kNone) return OwnPtr<Reservations>();
  Buffer memory = Buffer::allocate(kMaxRecordSize + 1);
  if (!memory) return Error::kNoMemory;
  const long size = os_file_read(path.c_str(), memory.data(), memory.size());
  if (size == kNone) return OwnPtr<Reservations>();
  constexpr long kTooLong = -27;  // EFBIG.
  if (size < 0 && size != kTooLong) {
    os_log(OS_LOG_ERROR, "%s: cannot be read, error %ld", path.c_str(), -size);
    return Status::from_errno(static_cast<int>(size)).error();
  }
  const Bytes record = size < 0 ? Bytes() : Bytes(memory.bytes()).first(static_cast<size_t>(size));
  Result<OwnPtr<Reservations>> loaded = decode_record(record, unit);
  if (loaded.is_ok() || loaded.error() == Error::kNoMemory) return loaded;
  CHISCSI_TRY(put_aside(
      unit, loaded.error() == Error::kStale ? "is of another logical unit" : "is damaged"));
  return Error::kInvalid;
}

}  // namespace chiscsi::scsi
