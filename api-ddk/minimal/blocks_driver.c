// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storage driver that knows blocks and no SCSI: its LUN class leaves INQUIRY and the
 * like to the target, which then hands over reads and writes of blocks that exist.
 * Each TargetDevice line is a RAM disk of 16 MB that lives from attach to detach.
 * Follow the numbers; 0 is at the bottom. Every command runs inside its hook.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "iscsi_target_class.h"

#define BLOCKS 32768U
#define BLOCK_BYTES 512U

static char *target_name = "iqn.2026-11.org.example:blocks";
module_param(target_name, charp, 0444);
static char *portal = "1@0.0.0.0:3260";
module_param(portal, charp, 0444);
static char *devices = "first,BLOCKS;second,BLOCKS,RO";
static int set_devices(const char *value, const struct kernel_param *param);
static const struct kernel_param_ops devices_ops = {
	.set = set_devices,
	.get = param_get_charp,
	.free = param_free_charp,
};
module_param_cb(devices, &devices_ops, &devices, 0644);
MODULE_PARM_DESC(devices, "values of TargetDevice, with semicolons in between");
static bool running;

#define be16(p) ((u32)(p)[0] << 8 | (p)[1])
#define be32(p) (be16(p) << 16 | be16((p) + 2))
#define be64(p) ((u64)be32(p) << 32 | be32((p) + 4))

/* The disks by the handle of their LUN, for the hooks that get nothing else. */
static DEFINE_XARRAY(disks);

/* 1. A LUN comes: the target learns its size, and what its commands shall carry. */
static int attach(unsigned long hndl, char *ebuf, int ebuflen)
{
	struct chiscsi_lun_geometry geometry = {
		.blocks = BLOCKS,
		.block_size = BLOCK_BYTES,
		.product_id = "RAM BLOCKS",
	};
	u8 *disk = vzalloc(BLOCKS * BLOCK_BYTES);
	int err;

	err = disk ? xa_err(xa_store(&disks, hndl, disk, GFP_KERNEL)) : -ENOMEM;
	if (err) {
		vfree(disk);
		scnprintf(ebuf, ebuflen, "no memory for %u bytes", BLOCKS * BLOCK_BYTES);
		return err;
	}
	chiscsi_lun_set_private(hndl, disk);
	return chiscsi_lun_set_geometry(hndl, &geometry);
}

/* 2. A LUN goes. No command of it is left. */
static void detach(unsigned long hndl)
{
	vfree(xa_erase(&disks, hndl));
}

/* 5. Memory is described in physically contiguous pieces, here page by page. */
static unsigned int describe(struct chiscsi_sgvec *sg, u8 *data, u32 length)
{
	unsigned int count;

	for (count = 0; length; count++, sg++) {
		sg->sg_page = vmalloc_to_page(data);
		sg->sg_addr = data;
		sg->sg_offset = offset_in_page(data);
		sg->sg_length = min_t(u32, length, PAGE_SIZE - sg->sg_offset);
		data += sg->sg_length;
		length -= sg->sg_length;
	}
	return count;
}

static int finish(struct chiscsi_scsi_command *sc, u8 sense_key, u8 asc)
{
	sc->sc_status = sense_key ? 0x02 : 0x00; /* CHECK CONDITION or GOOD */
	sc->sc_sense_key = sense_key;
	sc->sc_sense_asc = asc;
	return chiscsi_scsi_cmd_execution_status(sc, NULL, 0, 0, 0);
}

/* 4. Data: what the CDB names, as far as the initiator expects it. */
static int transfer(struct chiscsi_scsi_command *sc, u64 block, u32 blocks)
{
	u64 length = (u64)blocks * BLOCK_BYTES;
	struct chiscsi_sgvec *sgl;
	unsigned int count;

	if (length != sc->sc_xfer_len) {
		sc->sc_flag |= length > sc->sc_xfer_len ? SC_FLAG_XFER_OVERFLOW :
							  SC_FLAG_XFER_UNDERFLOW;
		sc->sc_xfer_residualcount = length > sc->sc_xfer_len ? length - sc->sc_xfer_len :
								       sc->sc_xfer_len - length;
		sc->sc_xfer_len = length = min_t(u64, length, sc->sc_xfer_len);
	}
	if (!length)
		return finish(sc, 0, 0);
	sgl = kvcalloc(length / PAGE_SIZE + 2, sizeof(*sgl), GFP_NOIO);
	if (!sgl)
		return -ENOMEM;
	sc->sc_sdev_hdl = sgl;
	count = describe(sgl, (u8 *)sc->sc_lun_priv + block * BLOCK_BYTES, length);
	if (sc->sc_flag & SC_FLAG_WRITE)
		return chiscsi_scsi_cmd_buffer_ready(sc, (u8 *)sgl, count, 0, length);
	return chiscsi_scsi_cmd_execution_status(sc, (u8 *)sgl, count, 0, length);
}

/* 3. A medium command. The target has checked its blocks, and that it may write. */
static int cdb_rcved(struct chiscsi_scsi_command *sc)
{
	const u8 *cdb = sc->sc_cmd;

	switch (cdb[0]) {
	case 0x08: /* READ(6), WRITE(6) */
	case 0x0a:
		return transfer(sc, be32(cdb) & 0x1fffff, cdb[4] ?: 256);
	case 0x28: /* READ(10), WRITE(10) */
	case 0x2a:
		return transfer(sc, be32(cdb + 2), be16(cdb + 7));
	case 0xa8: /* READ(12), WRITE(12) */
	case 0xaa:
		return transfer(sc, be32(cdb + 2), be32(cdb + 6));
	case 0x88: /* READ(16), WRITE(16) */
	case 0x8a:
		return transfer(sc, be64(cdb + 2), be32(cdb + 10));
	case 0x34: /* PRE-FETCH and SYNCHRONIZE CACHE: memory needs neither */
	case 0x35:
	case 0x90:
	case 0x91:
		return finish(sc, 0, 0);
	default: /* what compares data is not for this driver */
		return finish(sc, 0x05, 0x20);
	}
}

/* 6. The target is done with the memory. A write now only lacks its status. */
static int data_xfer_status(struct chiscsi_scsi_command *sc, unsigned char *sgl,
			    unsigned int sgcnt, unsigned int offset, unsigned int buflen)
{
	return sc->sc_flag & SC_FLAG_WRITE ? finish(sc, 0, 0) : 0;
}

static int cmd_abort(struct chiscsi_scsi_command *sc)
{
	return sc->sc_flag & SC_FLAG_SESS_ABORT ? chiscsi_scsi_cmd_abort_status(sc) :
						  finish(sc, 0x0b, 0x00); /* ABORTED COMMAND */
}

static int tmf_execute(unsigned long sess_tclass, unsigned long hndl, unsigned char immediate_cmd,
		       unsigned char tmf_func, unsigned int lun, chiscsi_scsi_command *sc)
{
	return chiscsi_tmf_execution_done(hndl, ISCSI_RESPONSE_TMF_COMPLETE, sc);
}

static void cmd_cleanup(struct chiscsi_scsi_command *sc)
{
	kvfree(sc->sc_sdev_hdl);
}

static char class_name[] = "blocks", lun_class_name[] = "BLOCKS";
static struct chiscsi_target_class target_class = { .class_name = class_name };
static struct chiscsi_target_lun_class lun_class = {
	.class_name = lun_class_name,
	.fp_attach = attach,
	.fp_detach = detach,
	.fp_scsi_cmd_cdb_rcved = cdb_rcved,
	.fp_scsi_cmd_data_xfer_status = data_xfer_status,
	.fp_scsi_cmd_abort = cmd_abort,
	.fp_tmf_execute = tmf_execute,
	.fp_scsi_cmd_cleanup = cmd_cleanup,
};

/* The key=value strings of the target: its portal, and one line for each device. */
static char *make_keys(int *length)
{
	char *rest, *all = kstrdup(devices, GFP_KERNEL), *device;
	int size = strlen(portal) + strlen(devices) * 16 + 64;
	char *keys = kzalloc(size, GFP_KERNEL);

	*length = 0;
	rest = all ? strim(all) : NULL;
	if (rest && keys) {
		*length = scnprintf(keys, size, "PortalGroup=%s", portal) + 1;
		while ((device = strsep(&rest, ";")))
			*length += scnprintf(keys + *length, size - *length, "TargetDevice=%s",
					     device) + 1;
	}
	kfree(all);
	return keys;
}

static int set_target(bool new)
{
	int length, err = -ENOMEM;
	char *keys = make_keys(&length);

	if (length)
		err = new ? chiscsi_target_add(&disks, target_name, class_name, keys, length) :
			    chiscsi_target_reconfig(&disks, target_name, class_name, keys, length);
	kfree(keys);
	return err;
}

/* 7. The module parameter was written: LUNs come and go, the others go on. */
static int set_devices(const char *value, const struct kernel_param *param)
{
	int err = param_set_charp(value, param);

	return err || !running ? err : set_target(false);
}

/* 8. While the target answers -EBUSY it may still call a hook: this code has to stay. */
static void withdraw_classes(void)
{
	while (chiscsi_target_lun_class_deregister(lun_class_name, class_name) == -EBUSY)
		msleep(100);
	while (chiscsi_target_class_deregister(class_name) == -EBUSY)
		msleep(100);
}

static void __exit blocks_exit(void)
{
	while (chiscsi_target_remove(&disks, target_name) == -EBUSY)
		msleep(100);
	withdraw_classes();
}

/* 0. Make the classes known, then start a target; its devices are attached meanwhile. */
static int __init blocks_init(void)
{
	int err = chiscsi_target_class_register(&target_class);

	if (err)
		return err;
	err = chiscsi_target_lun_class_register(&lun_class, class_name);
	if (!err)
		err = set_target(true);
	if (err)
		withdraw_classes();
	running = !err;
	return err;
}
module_init(blocks_init);
module_exit(blocks_exit);
MODULE_DESCRIPTION("Storage driver without SCSI for the chiscsi target API");
MODULE_LICENSE("GPL");
