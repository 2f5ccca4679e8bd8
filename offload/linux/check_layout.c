// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares the kernel's headers of the adapters with the numbers of offload/cpl_layout.h, and with
 * what the page pods and the tags of offload/page_pods.hh are made of.
 *
 * There is no code in here and nobody calls it: a difference ends the build, and no adapter ever
 * sees it. offload/cpl_layout.cc is its other half.
 */
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "cxgb4.h"
#include "cxgb4_uld.h"
#include "libcxgb_ppm.h"
#include "t4_msg.h"
#include "t4fw_api.h"

#include "offload/cpl_layout.h"

/* A memory write with its data in the message, which is two structures in the kernel. */
struct ulp_mem_write {
	struct ulp_mem_io io;
	struct ulptx_idata idata;
};

#define CHECK_SIZE(ours, kernels, bytes) \
	static_assert(sizeof(kernels) == (bytes), "size of " #kernels);
#define CHECK_OFFSET(ours, member, kernels, other, bytes) \
	static_assert(offsetof(kernels, other) == (bytes), "offset of " #other " in " #kernels);
#define CHECK_CONSTANT(ours, kernels, value) \
	static_assert((u64)(kernels) == (value), "value of " #kernels);

CPL_LAYOUT_SIZES(CHECK_SIZE)
CPL_LAYOUT_OFFSETS(CHECK_OFFSET)
CPL_LAYOUT_CONSTANTS(CHECK_CONSTANT)

/* Page pods, and the bits of a tag that are not in a register. */
static_assert(sizeof(struct cxgbi_pagepod_hdr) == 24);
static_assert(offsetof(struct cxgbi_pagepod_hdr, vld_tid) == 0);
static_assert(offsetof(struct cxgbi_pagepod_hdr, pgsz_tag_clr) == 4);
static_assert(offsetof(struct cxgbi_pagepod_hdr, max_offset) == 8);
static_assert(offsetof(struct cxgbi_pagepod_hdr, page_offset) == 12);
static_assert(sizeof(struct cxgbi_pagepod) == 64 && IPPOD_SIZE == 64);
static_assert(offsetof(struct cxgbi_pagepod, addr) == 24);
static_assert(PPOD_PAGES_MAX == 4 && PPOD_SIZE_SHIFT == 6 && PPOD_PAGES_SHIFT == 2);
static_assert(PPOD_VALID_FLAG == BIT(24) && PPOD_IDX_SHIFT == 6 && PPOD_COLOR_SHIFT == 0);
static_assert(DDP_PGIDX_MAX == 4 && DDP_PGSZ_BASE_SHIFT == 12);
static_assert(ULPMEM_IDATA_MAX_NPPODS == 3);

/* The lengths of a SYN's headers in CPL_PASS_ACCEPT_REQ. */
static_assert(ETH_HDR_LEN_S == 26 && IP_HDR_LEN_S == 16 && TCP_HDR_LEN_S == 10);
static_assert(T6_ETH_HDR_LEN_S == 24 && T6_IP_HDR_LEN_S == 14 && T6_TCP_HDR_LEN_S == 8);
static_assert(PASS_OPEN_TOS_S == 24 && PASS_OPEN_TID_M == 0xffffff);
static_assert(SYN_MAC_IDX_M == 0x1ff && SYN_INTF_S == 12);

/* What lld_tx.c and wr.cc know of the LLD's limits: a message that fits goes as it is. */
static_assert(MAX_IMM_OFLD_TX_DATA_WR_LEN == 255 + sizeof(struct fw_ofld_tx_data_wr));
static_assert(MAX_IMM_ULPTX_WR_LEN == 304);
