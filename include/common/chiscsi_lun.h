/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a storage driver says of the LUNs that ``TargetDevice`` lines made: the
 * size of a device, and a pointer of the driver's own. None of it is in the Guide,
 * which has no way to say either. Included by iscsi_target_class.h.
 */
#ifndef CHISCSI_LUN_H
#define CHISCSI_LUN_H

#include "chiscsi_spellings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* chiscsi_lun_geometry.flags. */
#define CHISCSI_LUN_READ_ONLY 0x1 /* writes are refused by the target */
#define CHISCSI_LUN_WRITE_CACHE 0x2 /* volatile; SYNCHRONIZE CACHE and FUA count */
#define CHISCSI_LUN_THIN 0x4 /* blocks may be unmapped (LBPME) */
#define CHISCSI_LUN_UNMAPPED_ZERO 0x8 /* unmapped blocks read as zeros (LBPRZ) */
#define CHISCSI_LUN_REMOVABLE 0x10 /* the medium may be removed (RMB) */

/*
 * chiscsi_lun_geometry.commands: the medium commands that the class runs besides
 * READ, WRITE, VERIFY, WRITE AND VERIFY, PRE-FETCH and SYNCHRONIZE CACHE. Others are
 * refused by the target, and no initiator is told of them.
 */
#define CHISCSI_LUN_RUNS_COMPARE_AND_WRITE 0x1
#define CHISCSI_LUN_RUNS_WRITE_SAME 0x2 /* WRITE SAME(10) and (16) */
#define CHISCSI_LUN_RUNS_UNMAP 0x4 /* UNMAP; with WRITE SAME its UNMAP bit, too */
#define CHISCSI_LUN_RUNS_GET_LBA_STATUS 0x8
#define CHISCSI_LUN_RUNS_ORWRITE 0x10
#define CHISCSI_LUN_RUNS_WRITE_ATOMIC 0x20
#define CHISCSI_LUN_RUNS_SANITIZE_OVERWRITE 0x40
#define CHISCSI_LUN_RUNS_SANITIZE_ERASE 0x80 /* SANITIZE, block erase */
#define CHISCSI_LUN_RUNS_BYTCHK 0x100 /* WRITE AND VERIFY with its data compared */
#define CHISCSI_LUN_RUNS_ALL 0x1ff

/**
 * struct chiscsi_lun_geometry - What the target has to know of a device.
 * @blocks: number of logical blocks, not 0
 * @block_size: bytes of a logical block, a power of two from 512 to 65536
 * @flags: CHISCSI_LUN_READ_ONLY and the like
 * @physical_exponent: a physical block has 2 to the power of this many logical
 *	blocks; 0 to 15
 * @vendor_id: T10 vendor identification; empty: that of the target
 * @product_id: product identification; empty: that of the target
 * @product_rev: product revision level; empty: that of the target
 * @serial: unit serial number; empty: derived. ``SN=`` of the line wins
 * @compare_and_write_blocks: blocks that COMPARE AND WRITE compares at most
 * @rotation_rate: turns per minute; 1: it does not turn; 0: not told
 * @commands: CHISCSI_LUN_RUNS_*
 * @max_transfer_blocks: blocks a command with data moves at most; 0: no limit
 * @optimal_transfer_blocks: the length above which it gets no faster; 0: not told
 * @optimal_granularity: lengths of a multiple of it are fastest; 0: not told
 * @unmap_granularity: blocks that are unmapped together; 0: not told
 * @unmap_alignment: first block of the first such group
 * @max_unmap_blocks: blocks that one UNMAP names at most; not 0 with UNMAP
 * @max_unmap_ranges: block descriptors it has at most; not 0 with UNMAP
 * @max_write_same_blocks: blocks that one WRITE SAME writes at most; 0: no limit
 * @max_atomic_blocks: blocks that WRITE ATOMIC writes at most; not 0 with it
 * @lowest_aligned_block: first logical block that begins a physical one
 * @reserved: zero
 *
 * The texts are NUL-terminated, printable ASCII. What is zero is not offered, so a
 * driver that fills in @blocks and @block_size alone has said all it has to.
 * Source: ours
 */
struct chiscsi_lun_geometry {
	unsigned long long blocks;
	unsigned int block_size;
	unsigned int flags;
	unsigned char physical_exponent;
	char vendor_id[9];
	char product_id[17];
	char product_rev[5];
	char serial[37];
	unsigned char compare_and_write_blocks;
	unsigned short rotation_rate;
	unsigned int commands;
	unsigned int max_transfer_blocks;
	unsigned int optimal_transfer_blocks;
	unsigned int optimal_granularity;
	unsigned int unmap_granularity;
	unsigned int unmap_alignment;
	unsigned int max_unmap_blocks;
	unsigned int max_unmap_ranges;
	unsigned long long max_write_same_blocks;
	unsigned int max_atomic_blocks;
	unsigned int lowest_aligned_block;
	unsigned int reserved[2];
};

/**
 * chiscsi_lun_set_geometry() - Say how large a device is.
 * @hndl: handle of the LUN, from fp_config_parse_options() on
 * @geometry: copied
 *
 * For LUN classes without LUN_CLASS_SCSI_PASS_THRU_BIT: before this call the LUN
 * answers NOT READY to what needs it. Called again when the device has
 * changed its size or its flags; the other members stay.
 *
 * Context: Any context. Does not sleep.
 * Return: 0, -ESTALE if there is no such LUN, -EINVAL for values no device has
 *	or a change of what has to stay.
 *
 * Source: ours
 */
int chiscsi_lun_set_geometry(unsigned long hndl,
			     const struct chiscsi_lun_geometry *geometry);

/**
 * chiscsi_lun_set_private() - Give a LUN a pointer of the driver's own.
 * @hndl: handle of the LUN, from fp_config_parse_options() on
 * @priv: comes back as sc_lun_priv of each command of the LUN
 *
 * Context: Any context. Does not sleep.
 * Return: 0, -ESTALE if there is no such LUN.
 *
 * Source: ours
 */
int chiscsi_lun_set_private(unsigned long hndl, void *priv);

#ifdef __cplusplus
}
#endif

#endif /* CHISCSI_LUN_H */
