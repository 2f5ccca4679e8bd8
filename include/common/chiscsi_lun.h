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
 * The device is gone, maybe for a time: the target answers NOT READY to TEST UNIT READY, READ
 * CAPACITY and whatever else it answers of a medium by itself, and REQUEST SENSE says so. Medium
 * commands go to the class as before, which refuses them. The number of blocks is the last that was
 * known.
 */
#define CHISCSI_LUN_GONE 0x20

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
#define CHISCSI_LUN_RUNS_SANITIZE_EXIT 0x200 /* SANITIZE, exit failure mode */
#define CHISCSI_LUN_RUNS_ALL 0x3ff

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
 * @medium: not 0: units with the same number are one device, with its first byte in
 *	their first blocks; 0: not told
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
	unsigned long long medium;
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

/* chiscsi_lun_set_usage(): nobody knows. */
#define CHISCSI_LUN_NOT_KNOWN (~0ULL)

/**
 * chiscsi_lun_set_usage() - Say how much memory a thin device has taken.
 * @hndl: handle of the LUN, after its chiscsi_lun_set_geometry()
 * @used: logical blocks that have memory of their own
 * @available: logical blocks that could still get some, or CHISCSI_LUN_NOT_KNOWN
 *
 * For a LUN with CHISCSI_LUN_THIN whose class knows. From the first call on the
 * target reports it (log page 0Ch) and tells initiators when a threshold is
 * reached (mode page 1Ch/02h). To be called whenever it has changed enough to
 * matter; a threshold set is a MiB or more.
 *
 * Context: Any context. Does not sleep.
 * Return: 0, -ESTALE if there is no such LUN, -EINVAL before its geometry.
 *
 * Source: ours
 */
int chiscsi_lun_set_usage(unsigned long hndl, unsigned long long used,
			  unsigned long long available);

/* What a device is up to because of SANITIZE; for chiscsi_lun_set_sanitize(). */
#define CHISCSI_LUN_SANITIZE_NONE 0
#define CHISCSI_LUN_SANITIZE_RUNS 1
#define CHISCSI_LUN_SANITIZE_FAILED 2

/**
 * chiscsi_lun_set_sanitize() - Say that a sanitize operation goes on, or has failed.
 * @hndl: handle of the LUN, from fp_config_parse_options() on
 * @state: CHISCSI_LUN_SANITIZE_*
 * @progress: how much of a running one is done, in 65536ths; else 0
 *
 * For LUN classes without LUN_CLASS_SCSI_PASS_THRU_BIT that go on with SANITIZE after
 * its command. Meanwhile the target answers NOT READY with the progress, and after a
 * failure MEDIUM ERROR, to whatever SBC-4 does not allow then; commands that the class
 * has already are for the class to refuse. After a failure SANITIZE reaches the class.
 *
 * Context: Any context. Does not sleep.
 * Return: 0, -ESTALE if there is no such LUN, -EINVAL for values there are not.
 *
 * Source: ours
 */
int chiscsi_lun_set_sanitize(unsigned long hndl, unsigned int state,
			     unsigned int progress);

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
