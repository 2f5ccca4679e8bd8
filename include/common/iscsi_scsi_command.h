/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The other prefix of chiscsi_scsi_command.h. */
#include "chiscsi_scsi_command.h"
