// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of /dev/chiscsi for tests: single requests as they are written, and such as no tool would
 * make. Static, for the test machine. Exit status: 0, or 1 with the error on the standard error.
 *
 *   control_client OPERATION [FLAGS] [KEY=VALUE...]   prints the output
 *   control_client --hostile NAME                     one group of wrong requests
 *   control_client --hold                             keeps the device open until its input ends
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../include/common/chiscsi_control.h"

#define ROOM (1u << 20)

static int device = -1;
static int failures;

static const char *const op_names[CHISCSI_CONTROL_OPS] = {
	[CHISCSI_CONTROL_VERSIONS] = "versions",
	[CHISCSI_CONTROL_TARGET_START] = "start",
	[CHISCSI_CONTROL_TARGET_STOP] = "stop",
	[CHISCSI_CONTROL_TARGET_LIST] = "list",
	[CHISCSI_CONTROL_TARGET_CONFIG] = "config",
	[CHISCSI_CONTROL_GLOBAL_GET] = "globals",
	[CHISCSI_CONTROL_GLOBAL_SET] = "set",
	[CHISCSI_CONTROL_SESSION_LIST] = "sessions",
	[CHISCSI_CONTROL_SESSION_DROP] = "drop",
	[CHISCSI_CONTROL_LUN_FLUSH] = "flush",
	[CHISCSI_CONTROL_STATISTICS] = "statistics",
	[CHISCSI_CONTROL_ALUA_SET] = "alua",
	[CHISCSI_CONTROL_ISNS_ALLOW] = "isns-allow",
	[CHISCSI_CONTROL_ISNS_FORGET] = "isns-forget",
	[CHISCSI_CONTROL_TARGET_STATE] = "state",
};

static struct chiscsi_control envelope(unsigned int op)
{
	struct chiscsi_control control;

	memset(&control, 0, sizeof(control));
	control.size = sizeof(control);
	control.version = CHISCSI_CONTROL_VERSION;
	control.op = op;
	return control;
}

/* 0 or the errno. */
static int ask(void *control)
{
	return ioctl(device, CHISCSI_CONTROL, control) ? errno : 0;
}

static int request(unsigned int op, unsigned int flags, char **words, int count)
{
	static char input[CHISCSI_CONTROL_MAX_INPUT];
	struct chiscsi_control control = envelope(op);
	char *output = malloc(ROOM);
	int err;

	for (int i = 0; i < count; i++) {
		const size_t size = strlen(words[i]) + 1;

		if (size > sizeof(input) - control.in_size)
			return E2BIG;
		memcpy(input + control.in_size, words[i], size);
		control.in_size += size;
	}
	control.flags = flags;
	control.in = (uintptr_t)input;
	control.out = (uintptr_t)output;
	control.out_size = ROOM;
	err = ask(&control);
	if (err)
		fprintf(stderr, "%s: %s\n", strerror(err), control.error);
	else
		fwrite(output, 1, control.out_used, stdout);
	free(output);
	return err;
}

/* ---- wrong requests ---- */

static void expect(const char *what, int got, int wanted)
{
	if (got == wanted)
		return;
	failures++;
	fprintf(stderr, "%s: %s, not %s\n", what, strerror(got), strerror(wanted));
}

static void hostile_envelopes(void)
{
	struct chiscsi_control control;

#define WITH(field, value, wanted)                                    \
	do {                                                          \
		control = envelope(CHISCSI_CONTROL_VERSIONS);         \
		control.field = (value);                              \
		expect(#field " = " #value, ask(&control), (wanted)); \
	} while (0)
	WITH(size, 0, EINVAL);
	WITH(size, sizeof(control) - 1, EINVAL);
	WITH(size, ~0u, EINVAL);
	WITH(version, 0, EINVAL);
	WITH(version, ~0u, EINVAL);
	WITH(op, CHISCSI_CONTROL_OPS, EOPNOTSUPP);
	WITH(op, ~0u, EOPNOTSUPP);
	WITH(flags, 0x80000000, EINVAL);
	WITH(flags, CHISCSI_CONTROL_CHECK, EINVAL);
	WITH(reserved, 1, EINVAL);
	WITH(in_size, CHISCSI_CONTROL_MAX_INPUT + 1, E2BIG);
	WITH(in_size, ~0u, E2BIG);
	WITH(out_size, 0, ENOSPC);
#undef WITH
	control = envelope(CHISCSI_CONTROL_VERSIONS);
	expect("another number", ioctl(device, CHISCSI_CONTROL + 1, &control) ? errno : 0, ENOTTY);
	expect("another size", ioctl(device, _IOWR(0xc5, 1, int), &control) ? errno : 0, ENOTTY);
	expect("no direction", ioctl(device, _IO(0xc5, 1), &control) ? errno : 0, ENOTTY);
}

/* A page that can be used, with one behind it that cannot. */
static char *last_bytes(size_t count)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE))
		exit(2);
	return pages + page - count;
}

static void hostile_addresses(void)
{
	static char room[ROOM];
	const uint64_t bad[] = { 0, 1, 0xffff800000000000, 0xffffffff81000000, 0xfffffffffffffff0,
				 0x7ffffffffffff000 };
	struct chiscsi_control control;
	char *edge;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		control = envelope(CHISCSI_CONTROL_TARGET_LIST);
		control.in = bad[i];
		control.in_size = 8;
		expect("input address", ask(&control), EFAULT);
		control = envelope(CHISCSI_CONTROL_VERSIONS);
		control.out = bad[i];
		control.out_size = ROOM;
		expect("output address", ask(&control), EFAULT);
		expect("envelope address", ask((void *)(uintptr_t)bad[i]), EFAULT);
	}
	edge = last_bytes(sizeof(control) - 1);
	memset(edge, 0, sizeof(control) - 1);
	expect("half an envelope", ask(edge), EFAULT);
	control = envelope(CHISCSI_CONTROL_TARGET_LIST);
	edge = last_bytes(4);
	control.in = (uintptr_t)edge;
	control.in_size = 5;
	expect("input beyond the end", ask(&control), EFAULT);
	control = envelope(CHISCSI_CONTROL_VERSIONS);
	control.out = (uintptr_t)edge;
	control.out_size = sizeof(room);
	expect("output beyond the end", ask(&control), EFAULT);
	/* An envelope that cannot be written: nothing may be lost but the answer. */
	edge = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	control = envelope(CHISCSI_CONTROL_VERSIONS);
	control.out = (uintptr_t)room;
	control.out_size = sizeof(room);
	memcpy(edge, &control, sizeof(control));
	mprotect(edge, 4096, PROT_READ);
	expect("read-only envelope", ask(edge), EFAULT);
}

static void hostile_room(void)
{
	static char room[ROOM + 16];
	struct chiscsi_control control = envelope(CHISCSI_CONTROL_GLOBAL_GET);
	unsigned int size;

	control.out = (uintptr_t)room;
	control.out_size = ROOM;
	expect("all the room", ask(&control), 0);
	size = control.out_used;
	for (unsigned int less = 1; less <= size; less += size / 7 + 1) {
		memset(room, 'x', sizeof(room));
		control = envelope(CHISCSI_CONTROL_GLOBAL_GET);
		control.out = (uintptr_t)room;
		control.out_size = size - less;
		expect("too little room", ask(&control), ENOSPC);
		expect("what is needed is told", control.out_used == size ? 0 : EINVAL, 0);
	}
	memset(room, 'x', sizeof(room));
	control = envelope(CHISCSI_CONTROL_GLOBAL_GET);
	control.out = (uintptr_t)room;
	control.out_size = ~0u;
	expect("more room than there is", ask(&control), 0);
	expect("no byte behind the output", room[size] == 'x' ? 0 : EINVAL, 0);
	expect("no byte missing", room[size - 1] == '\n' ? 0 : EINVAL, 0);
	for (unsigned int i = 0; i < size; i++) {
		if (room[i] == '\0')
			expect("a NUL in the output", EINVAL, 0);
	}
}

static void hostile_input(void)
{
	static char input[CHISCSI_CONTROL_MAX_INPUT];
	struct chiscsi_control control;
	unsigned int seed = 1;

	for (unsigned int op = 0; op < CHISCSI_CONTROL_OPS; op++) {
		for (int round = 0; round < 20; round++) {
			for (size_t i = 0; i < sizeof(input); i++)
				input[i] = round == 0 ? 'A' : (char)(rand_r(&seed) >> 7);
			control = envelope(op);
			control.in = (uintptr_t)input;
			control.in_size = round < 2 ? sizeof(input) : 1u + (unsigned int)rand_r(&seed) % 300;
			if (round & 1)
				input[control.in_size - 1] = '\0';
			expect("noise is refused", ask(&control) != 0 ? 0 : EINVAL, 0);
			expect("the reason has an end",
			       memchr(control.error, '\0', sizeof(control.error)) ? 0 : EINVAL, 0);
		}
	}
}

/* The input changes while it is read; the module looks at its own copy. */
static char racing[4096];
static volatile int racing_on = 1;

static void *race(void *unused)
{
	while (racing_on) {
		memset(racing, 'x', sizeof(racing));
		memcpy(racing, "target=iqn.none", 16);
	}
	return unused;
}

static void hostile_race(void)
{
	struct chiscsi_control control;
	pthread_t thread;

	pthread_create(&thread, NULL, race, NULL);
	for (int round = 0; round < 2000; round++) {
		control = envelope(CHISCSI_CONTROL_TARGET_STOP);
		control.in = (uintptr_t)racing;
		control.in_size = round % 2 ? sizeof(racing) : 16;
		if (ask(&control) == 0)
			expect("a target that nobody has", 0, ENOENT);
	}
	racing_on = 0;
	pthread_join(thread, NULL);
}

/* The right counts when the request is made, not when the device was opened. */
static void hostile_rights(void)
{
	struct chiscsi_control control = envelope(CHISCSI_CONTROL_VERSIONS);
	int other;

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		exit(2);
	expect("a request without the right", ask(&control), EPERM);
	other = open(CHISCSI_CONTROL_DEVICE, O_RDWR);
	expect("opening without the right", other < 0 ? errno : 0, EACCES);
}

static const struct {
	const char *name;
	void (*run)(void);
} hostile[] = {
	{ "envelopes", hostile_envelopes }, { "addresses", hostile_addresses },
	{ "room", hostile_room },           { "input", hostile_input },
	{ "race", hostile_race },           { "rights", hostile_rights },
};

static int run_hostile(const char *name)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		if (strcmp(name, hostile[i].name))
			continue;
		hostile[i].run();
		return failures != 0;
	}
	return 2;
}

static int hold(void)
{
	char byte;

	puts("held");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		continue;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int flags = 0;
	int at = 2;

	if (argc < 2)
		return 2;
	device = open(CHISCSI_CONTROL_DEVICE, O_RDWR);
	if (device < 0) {
		perror(CHISCSI_CONTROL_DEVICE);
		return 1;
	}
	if (!strcmp(argv[1], "--hold"))
		return hold();
	if (!strcmp(argv[1], "--hostile"))
		return argc == 3 ? run_hostile(argv[2]) : 2;
	if (argc > 2 && !strchr(argv[2], '='))
		flags = strtoul(argv[at++], NULL, 0);
	for (unsigned int op = 0; op < CHISCSI_CONTROL_OPS; op++) {
		if (!strcmp(argv[1], op_names[op]))
			return request(op, flags, argv + at, argc - at) != 0;
	}
	return 2;
}
