// SPDX-License-Identifier: GPL-2.0-only
//
// ReservationStore: records of registrations in files, one per logical unit (APTPL, SPC-5 section
// 5.14.5).
//
// A change is safe when save() or remove() has returned, and whenever power goes before, the file
// is the old one or the new one as a whole: the new record is written under another name, made
// safe, given its name, and the folder is made safe. A file that is damaged is reported, put aside
// under the name it has and ".bad", and not trusted. Context: one thread that may sleep for as long
// as the disk below takes.
#pragma once

#include "os/file.h"
#include "target/scsi/reservation_record.hh"

namespace chiscsi::scsi {

class ReservationStore {
 public:
  // The folder may be missing: saving makes it, and the one above it. Errors: kInvalid for a name
  // that is not absolute or too long.
  Status set_folder(Text folder);

  Status save(const UnitName& unit, Bytes record);
  // That there is none is fine.
  Status remove(const UnitName& unit);
  // Null: there is none. kInvalid: there was one, and it has been put aside. Other errors leave the
  // file where it is.
  Result<OwnPtr<Reservations>> load(const UnitName& unit);

 private:
  using Path = FixedText<OS_PATH_SIZE - 1>;
  // Name of the target with what no file name has made safe, NAA, and what it is.
  void set_path(Path& path, const UnitName& unit, Text suffix) const;
  Status make_folder();
  Status put_aside(const UnitName& unit, const char* why);

  Path folder_;
  // Too long for the stack of a thread; of the call that is running.
  Path path_, second_path_;
};

}  // namespace chiscsi::scsi
