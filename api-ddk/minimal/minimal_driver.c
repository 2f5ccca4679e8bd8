// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest storage driver a real initiator can use: one target with one RAM disk
 * of 16 MB. Follow the numbers; 0 is at the bottom. Every command runs inside its
 * hook, so there is no queue, lock or thread; ifacedriver, one folder up, has them.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "iscsi_target_class.h"

#define BLOCKS 32768U
#define BLOCK_BYTES 512U

static char *target_name = "iqn.2026-11.org.example:minimal";
module_param(target_name, charp, 0444);
static char *portal = "1@0.0.0.0:3260";
module_param(portal, charp, 0444);

#define be16(p) ((u32)(p)[0] << 8 | (p)[1])
#define be32(p) (be16(p) << 16 | be16((p) + 2))

/* The medium and, behind it, the answers to the commands that ask about it. */
static u8 *disk;
#define INQUIRY_DATA (disk + BLOCKS * BLOCK_BYTES)
#define CAPACITY_DATA (INQUIRY_DATA + 64)
#define LUNS_DATA (INQUIRY_DATA + 128)

/* 4. Memory is described in physically contiguous pieces, here page by page. */
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

/* 3. The status, when no data goes with it or that of a write has already come. */
static int finish(struct chiscsi_scsi_command *sc, u8 sense_key, u8 asc)
{
	if (sense_key) {
		sc->sc_status = 0x02; /* CHECK CONDITION */
		sc->sc_sense_key = sense_key;
		sc->sc_sense_asc = asc;
		sc->sc_flag |= sc->sc_xfer_len ? SC_FLAG_XFER_UNDERFLOW : 0;
		sc->sc_xfer_residualcount = sc->sc_xfer_len;
		sc->sc_xfer_len = 0;
	}
	return chiscsi_scsi_cmd_execution_status(sc, NULL, 0, 0, 0);
}

/*
 * 2. Data. Length is what the CDB asks for, sc_xfer_len what the initiator expects:
 * the smaller one moves, the difference is the residual. A write asks the target to
 * fill the memory (5 goes on), a read to send it and then the status.
 */
static int transfer(struct chiscsi_scsi_command *sc, u8 *data, u32 length, bool write)
{
	u32 expected = sc->sc_xfer_len;
	struct chiscsi_sgvec *sgl;
	unsigned int count;

	if (length && expected && write != !!(sc->sc_flag & SC_FLAG_WRITE))
		return finish(sc, 0x05, 0x0e); /* CDB and command PDU disagree */
	if (length != expected)
		sc->sc_flag |= length > expected ? SC_FLAG_XFER_OVERFLOW : SC_FLAG_XFER_UNDERFLOW;
	sc->sc_xfer_residualcount = max(length, expected) - min(length, expected);
	sc->sc_xfer_len = length = min(length, expected);
	if (!length)
		return finish(sc, 0, 0);
	sgl = kvcalloc(length / PAGE_SIZE + 2, sizeof(*sgl), GFP_NOIO);
	if (!sgl)
		return -ENOMEM; /* from the hook that called: the target answers BUSY */
	sc->sc_sdev_hdl = sgl; /* ours, until cmd_cleanup */
	count = describe(sgl, data, length);
	if (write)
		return chiscsi_scsi_cmd_buffer_ready(sc, (u8 *)sgl, count, 0, length);
	return chiscsi_scsi_cmd_execution_status(sc, (u8 *)sgl, count, 0, length);
}

/* 1. A command arrives. */
static int cdb_rcved(struct chiscsi_scsi_command *sc)
{
	const u8 *cdb = sc->sc_cmd;
	u32 lba = be32(cdb + 2), blocks = be16(cdb + 7);

	if (sc->sc_lun != 0 && cdb[0] != 0xa0)
		return finish(sc, 0x05, 0x25); /* LOGICAL UNIT NOT SUPPORTED */
	switch (cdb[0]) {
	case 0x00: /* TEST UNIT READY */
		return finish(sc, 0, 0);
	case 0x12: /* INQUIRY; there is no vital product data */
		if (cdb[1] & 1)
			return finish(sc, 0x05, 0x24);
		return transfer(sc, INQUIRY_DATA, min(be16(cdb + 3), 36U), false);
	case 0x25: /* READ CAPACITY(10) */
		return transfer(sc, CAPACITY_DATA, 8, false);
	case 0x28: /* READ(10) */
	case 0x2a: /* WRITE(10) */
		if (lba > BLOCKS || blocks > BLOCKS - lba)
			return finish(sc, 0x05, 0x21); /* LBA OUT OF RANGE */
		return transfer(sc, disk + lba * BLOCK_BYTES, blocks * BLOCK_BYTES, cdb[0] == 0x2a);
	case 0xa0: /* REPORT LUNS: only LUN 0 */
		return transfer(sc, LUNS_DATA, min(be32(cdb + 6), 16U), false);
	default:
		return finish(sc, 0x05, 0x20); /* INVALID COMMAND OPERATION CODE */
	}
}

/* 5. The target is done with the memory. A write now only lacks its status. */
static int data_xfer_status(struct chiscsi_scsi_command *sc, unsigned char *sgl,
			    unsigned int sgcnt, unsigned int offset, unsigned int buflen)
{
	return sc->sc_flag & SC_FLAG_WRITE ? finish(sc, 0, 0) : 0;
}

/* 6. The session ended, or a task management function hit a command in transfer. */
static int cmd_abort(struct chiscsi_scsi_command *sc)
{
	return sc->sc_flag & SC_FLAG_SESS_ABORT ? chiscsi_scsi_cmd_abort_status(sc) :
						  finish(sc, 0x0b, 0x00); /* ABORTED COMMAND */
}

/* 7. No command waits here, so a task management function has nothing left to do. */
static int tmf_execute(unsigned long sess_tclass, unsigned long hndl, unsigned char immediate_cmd,
		       unsigned char tmf_func, unsigned int lun, chiscsi_scsi_command *sc)
{
	return chiscsi_tmf_execution_done(hndl, ISCSI_RESPONSE_TMF_COMPLETE, sc);
}

/* 8. The last hook of every command, of a refused one as well. */
static void cmd_cleanup(struct chiscsi_scsi_command *sc)
{
	kvfree(sc->sc_sdev_hdl);
}

static char class_name[] = "minimal", lun_class_name[] = "minimal-lun";
static struct chiscsi_target_class target_class = { .class_name = class_name };
static struct chiscsi_target_lun_class lun_class = {
	.class_name = lun_class_name,
	.property = 1 << LUN_CLASS_SCSI_PASS_THRU_BIT,
	.fp_scsi_cmd_cdb_rcved = cdb_rcved,
	.fp_scsi_cmd_data_xfer_status = data_xfer_status,
	.fp_scsi_cmd_abort = cmd_abort,
	.fp_tmf_execute = tmf_execute,
	.fp_scsi_cmd_cleanup = cmd_cleanup,
};

/* 9. While the target answers -EBUSY it may still call a hook: this code has to stay. */
static void withdraw_classes(void)
{
	while (chiscsi_target_lun_class_deregister(lun_class_name, class_name) == -EBUSY)
		msleep(100);
	while (chiscsi_target_class_deregister(class_name) == -EBUSY)
		msleep(100);
}

static void __exit minimal_exit(void)
{
	while (chiscsi_target_remove(disk, target_name) == -EBUSY)
		msleep(100);
	withdraw_classes();
	vfree(disk);
}

/* 0. Make the classes known, then start a target with key=value strings. */
static int __init minimal_init(void)
{
	char keys[256];
	int length = scnprintf(keys, sizeof(keys), "PortalGroup=%s", portal) + 1;
	int err = -ENOMEM;

	disk = vzalloc(BLOCKS * BLOCK_BYTES + PAGE_SIZE);
	if (!disk)
		return err;
	memcpy(INQUIRY_DATA, "\0\0\5\2\37\0\0\2CHISCSI MINIMAL RAM DISK1.0 ", 36);
	*(__be32 *)CAPACITY_DATA = cpu_to_be32(BLOCKS - 1);
	*(__be32 *)(CAPACITY_DATA + 4) = cpu_to_be32(BLOCK_BYTES);
	LUNS_DATA[3] = 8; /* one entry, number 0 */
	err = chiscsi_target_class_register(&target_class);
	if (err)
		goto free;
	err = chiscsi_target_lun_class_register(&lun_class, class_name);
	if (!err)
		err = chiscsi_target_add(disk, target_name, class_name, keys, length);
	if (!err)
		return 0;
	withdraw_classes();
free:
	vfree(disk);
	return err;
}
module_init(minimal_init);
module_exit(minimal_exit);
MODULE_DESCRIPTION("Minimal storage driver for the chiscsi target API");
MODULE_LICENSE("GPL");
