// SPDX-License-Identifier: GPL-2.0-only
/*
 * First process of a User-Mode Linux guest (started by tests/uml/run).
 *
 * Turns the host's root, which it sees read-only over hostfs, into a root that can be written
 * without touching the host: an overlay in memory. Then runs /job/start, looks for leaks, leaves
 * the exit status in the run directory and powers off. A program and not a script, because
 * starting a process costs 50 ms in the debug kernel.
 *
 * Environment, from the kernel's command line: chiscsi_run (the host's run directory, with root/
 * as top layer of the overlay, modules and tests as links), chiscsi_leaks (1: look for leaks),
 * chiscsi_seconds (when to say who hangs). Statically linked; nothing of it runs on the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* note() - one line to the kernel log. */
static void note(const char *format, ...)
{
	char line[600] = "<5>chiscsi-uml: ";
	va_list args;
	int fd = open("/dev/kmsg", O_WRONLY);

	va_start(args, format);
	vsnprintf(line + strlen(line), sizeof(line) - strlen(line), format, args);
	va_end(args);
	if (fd < 0)
		return;
	if (write(fd, line, strlen(line)) < 0)
		perror("kmsg");
	close(fd);
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "uml init: %s: %s\n", what, strerror(errno));
	note("%s: %s", what, strerror(errno));
	power_off();
}

static void mount_on(const char *type, const char *where, const char *options)
{
	mkdir(where, 0755);
	must(mount("none", where, type, 0, options), where);
}

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* in_run_dir() - a path below the host's run directory; the text stays until the next call. */
static const char *in_run_dir(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", setting("chiscsi_run"), name);
	return path;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void copy_file(const char *from, const char *to)
{
	char buffer[16384];
	ssize_t size;
	int in = open(from, O_RDONLY);
	int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	while (out >= 0 && (size = read(in, buffer, sizeof(buffer))) > 0) {
		if (write(out, buffer, size) != size)
			perror(to);
	}
	close(in);
	close(out);
}

/* The host's files stay below, what the guest writes goes to memory. */
static void enter_overlay(void)
{
	mount_on("tmpfs", "/mnt", NULL);
	mkdir("/mnt/top", 0755);
	must(mount("none", "/mnt/top", "hostfs", MS_RDONLY, in_run_dir("/root")), "top layer");
	mkdir("/mnt/upper", 0755);
	mkdir("/mnt/work", 0755);
	mount_on("overlay", "/mnt/root",
		 "lowerdir=/mnt/top:/,upperdir=/mnt/upper,workdir=/mnt/work");
	must(chdir("/mnt/root"), "/mnt/root");
	mkdir("mnt/outer", 0755);
	must(syscall(SYS_pivot_root, ".", "mnt/outer"), "pivot_root");
	must(chroot("."), "chroot");
	umount2("/mnt/outer", MNT_DETACH);
}

static void mount_all(void)
{
	mount_on("proc", "/proc", NULL);
	mount_on("sysfs", "/sys", NULL);
	mount_on("devtmpfs", "/dev", NULL);
	mount_on("devpts", "/dev/pts", "ptmxmode=0666");
	mount_on("tmpfs", "/dev/shm", NULL);
	mount_on("debugfs", "/sys/kernel/debug", NULL);
	mount_on("tracefs", "/sys/kernel/tracing", NULL);
	mount_on("configfs", "/sys/kernel/config", NULL);
	symlink("/proc/self/fd", "/dev/fd");
	mount_on("hostfs", "/uml", setting("chiscsi_run"));
	mount_on("hostfs", "/tests", in_run_dir("/tests"));
	if (access("/uml/modules", F_OK) == 0)
		mount_on("hostfs", "/modules", in_run_dir("/modules"));
	mount_on("tmpfs", "/run", NULL);
	mount_on("tmpfs", "/tmp", "mode=1777");
	mount_on("tmpfs", "/var/tmp", "mode=1777");
	mkdir("/run/lock", 01777);
	mkdir("/run/udev", 0755);
}

/* open-iscsi starts with the distribution's configuration and without the host's records. */
static void set_up_initiator(void)
{
	if (access("/etc/iscsi", F_OK))
		return;
	copy_file("/etc/iscsi/iscsid.conf", "/run/iscsid.conf");
	mount_on("tmpfs", "/etc/iscsi", NULL);
	copy_file("/run/iscsid.conf", "/etc/iscsi/iscsid.conf");
	write_file("/etc/iscsi/initiatorname.iscsi",
		   "InitiatorName=iqn.2026-01.test.chiscsi:initiator\n");
}

/* User-Mode Linux has no source of entropy, and LIO waits for the generator: the host gives some. */
static void seed_random(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char data[64];
	} seed = { .info = { .entropy_count = 8 * 64, .buf_size = 64 } };
	int from = open("/uml/seed", O_RDONLY), to = open("/dev/random", O_WRONLY);

	if (read(from, seed.data, sizeof(seed.data)) != sizeof(seed.data) ||
	    ioctl(to, RNDADDENTROPY, &seed.info) < 0)
		note("no entropy: %s", strerror(errno));
	close(from);
	close(to);
}

static void bring_up(int fd, const char *name, const char *rename_to, in_addr_t address)
{
	struct ifreq request = {};
	struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (rename_to) {
		strncpy(request.ifr_newname, rename_to, IFNAMSIZ - 1);
		ioctl(fd, SIOCSIFNAME, &request);
		strncpy(request.ifr_name, rename_to, IFNAMSIZ - 1);
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(address);
		ioctl(fd, SIOCSIFADDR, &request);
		in->sin_addr.s_addr = htonl(0xffffff00);
		ioctl(fd, SIOCSIFNETMASK, &request);
	}
	ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	ioctl(fd, SIOCSIFFLAGS, &request);
}

/* The same addresses as in the QEMU machine (tests/vm), where eth0 is a real card. */
static void set_up_network(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	bring_up(fd, "lo", NULL, 0);
	bring_up(fd, "dummy0", "eth0", 0x0a00020f);
	close(fd);
	sethostname("chiscsi-vm", 10);
}

static void open_console(void)
{
	struct termios raw;
	int fd = open("/dev/tty0", O_RDWR | O_NOCTTY);

	must(fd, "/dev/tty0");
	if (tcgetattr(fd, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
	}
	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	close(fd);
}

/* Threads of the kernel have none. */
static int has_command_line(const char *pid)
{
	char path[300], byte;
	int fd, has;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY);
	has = read(fd, &byte, 1) == 1;
	close(fd);
	return has;
}

/* note_task() - where one task is in the kernel; of the kernel's own, those that do not merely sleep. */
static void note_task(const char *pid)
{
	char path[300], text[1000], *state, *line;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return;
	text[size] = 0;
	state = strrchr(text, ')');
	if (!state || (state[2] != 'D' && state[2] != 'R' && !has_command_line(pid)))
		return;
	state[3] = 0;
	note("%s", text);
	snprintf(path, sizeof(path), "/proc/%s/stack", pid);
	fd = open(path, O_RDONLY);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size < 0 ? 0 : size] = 0;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		note("    %s", line);
}

/* The host only sees silence, so shortly before the limit a child says what everybody does. */
static pid_t start_watchdog(void)
{
	pid_t pid = fork();
	struct dirent *entry;
	DIR *proc;

	if (pid)
		return pid;
	sleep(atoi(setting("chiscsi_seconds")));
	note("the time is nearly up; all processes, and what the kernel does:");
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			note_task(entry->d_name);
	}
	_exit(0);
}

static int run_job(void)
{
	int status = 0;
	pid_t pid = fork(), ended;

	if (pid == 0) {
		setsid();
		if (chdir("/job") == 0)
			execl("/bin/bash", "bash", "./start", NULL);
		perror("/job/start");
		_exit(127);
	}
	do
		ended = wait(&status);
	while (ended != pid && (ended > 0 || errno == EINTR));
	tcdrain(1);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A leak must be older than five seconds, and be found by two scans, before it counts. */
static void scan_for_leaks(void)
{
	const char *report = "/sys/kernel/debug/kmemleak";

	if (strcmp(setting("chiscsi_leaks"), "1") || access(report, W_OK))
		return;
	write_file(report, "scan");
	sleep(6);
	write_file(report, "scan");
	copy_file(report, "/uml/leaks");
}

int main(void)
{
	char text[16];
	pid_t watchdog;
	int status;

	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TERM", "dumb", 1);
	umask(022);
	enter_overlay();
	mount_all();
	open_console();
	seed_random();
	set_up_initiator();
	set_up_network();
	watchdog = start_watchdog();
	note("begin");
	status = run_job();
	note("end, status %d", status);
	kill(watchdog, SIGKILL);
	snprintf(text, sizeof(text), "%d\n", status);
	write_file("/uml/status", text);
	scan_for_leaks();
	note("power off");
	umount("/uml");
	power_off();
}
