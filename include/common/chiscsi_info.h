/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The other prefix of iscsi_info.h. */
#include "iscsi_info.h"
