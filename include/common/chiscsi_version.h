/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Version of the storage driver API.
 *
 * The major and minor numbers are those of the Guide revision the headers
 * follow; the level counts our own additions to it. Sources can test the
 * value with the preprocessor, e.g.
 *
 *	#if CHISCSI_API_VERSION >= CHISCSI_API_VERSION_CODE(1, 5, 0)
 *
 * Only source compatibility is promised: a driver is compiled against the
 * headers of the target module it will be loaded with.
 */
#ifndef CHISCSI_VERSION_H
#define CHISCSI_VERSION_H

#define CHISCSI_API_VERSION_MAJOR 1
#define CHISCSI_API_VERSION_MINOR 5
#define CHISCSI_API_VERSION_LEVEL 1

/**
 * CHISCSI_API_VERSION_CODE() - Pack a version into one comparable number.
 * @major: major number, 0 to 255
 * @minor: minor number, 0 to 255
 * @level: level, 0 to 255
 */
#define CHISCSI_API_VERSION_CODE(major, minor, level) \
	(((major) << 16) | ((minor) << 8) | (level))

#define CHISCSI_API_VERSION \
	CHISCSI_API_VERSION_CODE(CHISCSI_API_VERSION_MAJOR, \
				 CHISCSI_API_VERSION_MINOR, \
				 CHISCSI_API_VERSION_LEVEL)

#define CHISCSI_API_VERSION_STRING "1.5.1"

#endif /* CHISCSI_VERSION_H */
