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

/**
 * struct chiscsi_lun_geometry - What the target has to know of a device.
 * @blocks: number of logical blocks, not 0
 * @block_size: bytes of a logical block, a power of two from 512 to 65536
 * @flags: CHISCSI_LUN_*
 * @physical_exponent: a physical block has 2 to the power of this many logical
 *	blocks; 0 to 15
 * @vendor_id: T10 vendor identification; empty: that of the target
 * @product_id: product identification; empty: that of the target
 * @product_rev: product revision level; empty: that of the target
 * @serial: unit serial number; empty: derived. ``SN=`` of the line wins
 * @reserved: zero
 *
 * The texts are NUL-terminated, printable ASCII. Source: ours
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
	unsigned char reserved[3];
};

/**
 * chiscsi_lun_set_geometry() - Say how large a device is.
 * @hndl: handle of the LUN, from fp_config_parse_options() on
 * @geometry: copied
 *
 * For LUN classes without LUN_CLASS_SCSI_PASS_THRU_BIT: before this call the LUN
 * answers NOT READY to what needs it. Called again when the device has
 * changed its size, its write protection or its cache; the other members stay.
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
