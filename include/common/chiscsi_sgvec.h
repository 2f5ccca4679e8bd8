/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Data buffers as a storage driver hands them to the target.
 *
 * A buffer list is an array of struct chiscsi_sgvec. It travels through the
 * API as "unsigned char *sc_xfer_sreq_buf" plus an element count, the way
 * the Guide writes its prototypes; both sides cast.
 */
#ifndef CHISCSI_SGVEC_H
#define CHISCSI_SGVEC_H

#include "chiscsi_spellings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The buffer is given by sg_dma_addr, which wins over sg_page. */
#define ISCSI_SG_SBUF_DMABLE 0x1
#define ISCSI_SBUG_SG_DMABLE ISCSI_SG_SBUF_DMABLE

/**
 * struct chiscsi_sgvec - One contiguous piece of a data buffer.
 * @sg_flag: 0 or ISCSI_SG_SBUF_DMABLE
 * @sg_page: "struct page *" of the memory, NULL if it is not page based
 * @sg_addr: kernel virtual address of the first byte, in any mapping of the page;
 *	NULL if there is none
 * @sg_dma_addr: bus address of the first byte; read only with
 *	ISCSI_SG_SBUF_DMABLE
 * @sg_offset: bytes from the start of @sg_page to the first byte; read only
 *	when @sg_page is set
 * @sg_length: length of the piece in bytes, never 0
 * @sg_private: space of the target; a driver neither reads nor writes it
 *
 * Allowed combinations:
 *
 * * @sg_page and @sg_offset without the flag. @sg_addr may be NULL, the
 *   target then maps the page itself when the CPU has to copy.
 * * @sg_dma_addr with the flag, @sg_page set or NULL. Without @sg_addr the CPU
 *   cannot reach such memory, so the target node needs ``ImmediateData=No`` and
 *   ``InitialR2T=Yes``; a transfer that has to be copied fails the command.
 * * @sg_addr alone, for memory only the CPU can reach: the data is always copied.
 *
 * A piece with none of @sg_page, @sg_addr and the flag names no memory and is
 * refused.
 *
 * @sg_page may be the head of a compound page and @sg_length exceed the page
 * size, as long as the memory is physically contiguous.
 *
 * Direct placement of write data by an adapter further asks, over all phases of
 * one command, that every piece but the first and the last begins at offset
 * 0 and has the same length of 4, 8, 16 or 64 KiB, that the first ends where
 * such a piece ends, and that the last begins at offset 0. Other lists work,
 * the data is then copied.
 *
 * Array and memory belong to the driver, which keeps both unchanged while the
 * target holds them: from chiscsi_scsi_cmd_buffer_ready() or
 * chiscsi_scsi_cmd_execution_status() until the matching
 * fp_scsi_cmd_data_xfer_status(), or until fp_scsi_cmd_abort().
 *
 * Source: Guide 7.3.5.1 "Data Buffer Setup", "Requirement for DDP"
 */
struct chiscsi_sgvec {
	unsigned int sg_flag;
	void *sg_page;
	unsigned char *sg_addr;
	unsigned long sg_dma_addr;
	unsigned int sg_offset;
	unsigned int sg_length;
	unsigned long sg_private[1];
};
typedef struct chiscsi_sgvec chiscsi_sgvec;

#ifdef __cplusplus
}
#endif

#endif /* CHISCSI_SGVEC_H */
