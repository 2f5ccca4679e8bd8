/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The administrator's door: what iscsictl and chiscsi.ko say to each other over
 * /dev/chiscsi. One ioctl, one envelope, text both ways, so that a new key
 * changes no layout. For user space and for the module; no storage driver needs
 * it, and chiscsi.h does not include it. Include <sys/ioctl.h> or <linux/ioctl.h>
 * before. Source of all of it: ours
 */
#ifndef CHISCSI_CONTROL_H
#define CHISCSI_CONTROL_H

#define CHISCSI_CONTROL_DEVICE "/dev/chiscsi"
#define CHISCSI_CONTROL_VERSION 1
#define CHISCSI_CONTROL_MAX_INPUT (4 * 1024 * 1024)   /* bytes */
#define CHISCSI_CONTROL_MAX_OUTPUT (64 * 1024 * 1024) /* bytes */

/**
 * enum chiscsi_control_op - What is asked for.
 * @CHISCSI_CONTROL_VERSIONS: out: ``module=``, ``api=``, ``control=``
 * @CHISCSI_CONTROL_TARGET_START: in: the keys of a ``target:`` block, TargetName
 *	among them. Starts the target, or reloads it when it is active; with
 *	CHISCSI_CONTROL_CHECK nothing changes and only the keys are looked at. -EINPROGRESS
 *	while somebody else starts, changes or stops this target: it may be asked again soon.
 *	Other errors, -EBUSY of a device among them, last. out: ``result=started`` or
 *	``result=reloaded``
 * @CHISCSI_CONTROL_TARGET_STOP: in: ``target=``. -ENOENT when there is none, -EINPROGRESS as above
 * @CHISCSI_CONTROL_TARGET_LIST: in: nothing, or ``target=``. out: a record per target:
 *	``target=``, ``id=``, ``class=``, ``owner=`` (``administrator`` or ``driver``),
 *	``sessions=``, ``luns=``
 * @CHISCSI_CONTROL_TARGET_CONFIG: in: ``target=``. out: one record of the target's
 *	keys as the file has them, every key with its value in force; TargetDevice lines
 *	complete with PROD=, SN=, ID= and WWN=. With CHISCSI_CONTROL_SECRETS it can be read
 *	back: secrets are not ``***``, and PROD= stands only where it was set
 * @CHISCSI_CONTROL_GLOBAL_GET: out: one record of the globals in force
 * @CHISCSI_CONTROL_GLOBAL_SET: in: globals. All or none of them change. Globals that are not named
 *	stay; with CHISCSI_CONTROL_DEFAULTS they take their defaults, as after reading a file. An
 *	empty value takes away the accounts of a ``DISC_Auth_CHAP_`` key, isns_server and isns_id
 * @CHISCSI_CONTROL_SESSION_LIST: in: nothing, ``target=``, ``initiator=`` or both. out: a record
 *	per session, followed by one per connection of it (``connection=`` is its
 *	first key, ``session=`` that of a session). Without ``target=`` those of all targets, each
 *	behind a record with ``target=``
 * @CHISCSI_CONTROL_SESSION_DROP: in: ``session=`` in hexadecimal. -ENOENT when
 *	there is none
 * @CHISCSI_CONTROL_LUN_FLUSH: in: ``target=``, may have ``lun=``. -EINPROGRESS as above
 * @CHISCSI_CONTROL_STATISTICS: in: nothing, or ``target=``. out: records of
 *	counters: first key ``target=``, ``lun=``, ``session=`` or ``portal=``
 * @CHISCSI_CONTROL_ALUA_SET: in: ``target=``, ``group=``, ``state=``
 * @CHISCSI_CONTROL_ISNS_ALLOW: in: ``target=``, ``version=``, a number that is not 0, and
 *	``initiator=`` for each initiator that the iSNS server allows, up to 8192, in ascending order
 *	of their bytes. The list takes the place of the one before as a whole; with none of them
 *	nobody is allowed. It is forgotten with ISNS_FORGET, when the target stops, and when the file
 *	through which it came is closed, which also happens when the process ends. -ESTALE when
 *	the version is not higher than that of the list in force, -EBUSY while that one belongs to
 *	another open file, -E2BIG for too many names
 * @CHISCSI_CONTROL_ISNS_FORGET: in: ``target=``. Success as well when there is no list; -EBUSY for
 *	the list of another open file
 * @CHISCSI_CONTROL_TARGET_STATE: in: ``target=``. out: one record: ``target=``, ``access=<tag>:<state>``
 *	for each portal group, and when there is a list of an iSNS server ``isns_version=`` and
 *	``isns_initiator=`` for each name
 * @CHISCSI_CONTROL_OPS: how many there are
 */
enum chiscsi_control_op {
	CHISCSI_CONTROL_VERSIONS = 0,
	CHISCSI_CONTROL_TARGET_START = 1,
	CHISCSI_CONTROL_TARGET_STOP = 2,
	CHISCSI_CONTROL_TARGET_LIST = 3,
	CHISCSI_CONTROL_TARGET_CONFIG = 4,
	CHISCSI_CONTROL_GLOBAL_GET = 5,
	CHISCSI_CONTROL_GLOBAL_SET = 6,
	CHISCSI_CONTROL_SESSION_LIST = 7,
	CHISCSI_CONTROL_SESSION_DROP = 8,
	CHISCSI_CONTROL_LUN_FLUSH = 9,
	CHISCSI_CONTROL_STATISTICS = 10,
	CHISCSI_CONTROL_ALUA_SET = 11,
	CHISCSI_CONTROL_ISNS_ALLOW = 12,
	CHISCSI_CONTROL_ISNS_FORGET = 13,
	CHISCSI_CONTROL_TARGET_STATE = 14,
	CHISCSI_CONTROL_OPS
};

/* chiscsi_control.flags. */
#define CHISCSI_CONTROL_CHECK 0x1    /* look, change nothing */
#define CHISCSI_CONTROL_SECRETS 0x2  /* for a file of mode 0600: secrets, to be read back */
#define CHISCSI_CONTROL_DEFAULTS 0x4 /* what is not named takes its default */

/**
 * struct chiscsi_control - One request and its answer.
 * @size: sizeof(struct chiscsi_control)
 * @version: CHISCSI_CONTROL_VERSION
 * @op: enum chiscsi_control_op
 * @flags: CHISCSI_CONTROL_CHECK, CHISCSI_CONTROL_SECRETS, CHISCSI_CONTROL_DEFAULTS; others are
 *	refused
 * @in: address of the input: ``key=value`` strings, each ended by a NUL
 * @in_size: its bytes, the last NUL counted; at most CHISCSI_CONTROL_MAX_INPUT
 * @out_size: bytes at @out
 * @out: address of room for the output: lines ``key=value``, ended by a newline; an
 *	empty line ends a record
 * @out_used: filled in: bytes of the whole output. When it is more than
 *	@out_size the call fails with ENOSPC and may be made again with more room
 * @reserved: zero
 * @error: filled in when the call fails: what is wrong, NUL-terminated, without a
 *	secret in it; may be empty
 */
struct chiscsi_control {
	unsigned int size;
	unsigned int version;
	unsigned int op;
	unsigned int flags;
	unsigned long long in;
	unsigned int in_size;
	unsigned int out_size;
	unsigned long long out;
	unsigned int out_used;
	unsigned int reserved;
	char error[256];
};

/*
 * The one ioctl of the device. Needs CAP_SYS_ADMIN. Fails with EFAULT for bad
 * addresses, EINVAL for an envelope or keys that are wrong, EOPNOTSUPP for an unknown
 * operation, E2BIG for too much input, and as each operation says.
 */
#define CHISCSI_CONTROL _IOWR(0xc5, 1, struct chiscsi_control)

#endif /* CHISCSI_CONTROL_H */
