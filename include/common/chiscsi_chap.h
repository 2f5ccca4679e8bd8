/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The other prefix of iscsi_chap.h. */
#include "iscsi_chap.h"
