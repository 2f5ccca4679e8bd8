/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The whole storage driver API of the target in one include.
 */
#ifndef CHISCSI_H
#define CHISCSI_H

#include "chiscsi_endpoint.h"
#include "chiscsi_scsi_command.h"
#include "chiscsi_sgvec.h"
#include "chiscsi_version.h"
#include "iscsi_chap.h"
#include "iscsi_info.h"
#include "iscsi_target_class.h"

#endif /* CHISCSI_H */
