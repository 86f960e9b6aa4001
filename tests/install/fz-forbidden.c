/* fz-forbidden.c
 *
 * Run inside a unit's sandbox in the place of its program: tries what a program
 * that has been taken over would try, and what the program itself has to do.
 * One line per act: "refused", "allowed" or "absent", the act, the error. The
 * test that runs it knows which word each act should get.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/reboot.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  const char *what;
  bool (*try_it) (void);
} Act;

static bool
may_open (const char *path, int flags)
{
  int fd = open (path, flags | O_CLOEXEC, 0600);

  if (fd < 0)
    return false;
  close (fd);
  return true;
}

static bool
may_have_socket (int family, int type, int protocol)
{
  int fd = socket (family, type | SOCK_CLOEXEC, protocol);

  if (fd < 0)
    return false;
  close (fd);
  return true;
}

/* -- files -- */

static bool
write_etc (void)
{
  return may_open ("/etc/firezone-probe", O_WRONLY | O_CREAT);
}

static bool
write_settings (void)
{
  return may_open ("/etc/firezone/client.conf", O_WRONLY | O_CREAT);
}

static bool
replace_program (void)
{
  return may_open ("/usr/bin/firezone-probe", O_WRONLY | O_CREAT);
}

static bool
read_home (void)
{
  return may_open ("/home/ada/secret", O_RDONLY);
}

static bool
read_root_home (void)
{
  return may_open ("/root/secret", O_RDONLY);
}

static bool
read_shadow (void)
{
  return may_open ("/etc/shadow", O_RDONLY);
}

static bool
read_token_file (void)
{
  return may_open ("/etc/firezone/gateway-token", O_RDONLY);
}

static bool
write_cgroup (void)
{
  return may_open ("/sys/fs/cgroup/firezone-probe", O_WRONLY | O_CREAT);
}

static bool
write_kernel_switch (void)
{
  return may_open ("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static bool
open_kernel_log (void)
{
  return may_open ("/dev/kmsg", O_RDONLY);
}

static bool
open_memory (void)
{
  return may_open ("/dev/mem", O_RDONLY);
}

static bool
make_device_node (void)
{
  return mknod ("/tmp/probe-device", S_IFBLK | 0600, makedev (8, 0)) == 0;
}

static bool
make_setuid_file (void)
{
  return may_open ("/tmp/probe-suid", O_WRONLY | O_CREAT) && chmod ("/tmp/probe-suid", 04755) == 0;
}

static bool
give_file_away (void)
{
  return may_open ("/tmp/probe-owner", O_WRONLY | O_CREAT) && chown ("/tmp/probe-owner", 0, 0) == 0;
}

/* -- the kernel -- */

static bool
load_module (void)
{
  return syscall (SYS_finit_module, STDIN_FILENO, "", 0) == 0 || errno != EPERM;
}

static bool
load_bpf (void)
{
  union bpf_attr attr = { 0 };

  return syscall (SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr) >= 0 || errno != EPERM;
}

static bool
mount_something (void)
{
  return mount ("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0;
}

static bool
change_root (void)
{
  return chroot ("/tmp") == 0;
}

static bool
make_user_namespace (void)
{
  return unshare (CLONE_NEWUSER) == 0;
}

static bool
make_mount_namespace (void)
{
  return unshare (CLONE_NEWNS) == 0;
}

static bool
make_network_namespace (void)
{
  return unshare (CLONE_NEWNET) == 0;
}

static bool
set_clock (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return clock_settime (CLOCK_REALTIME, &now) == 0;
}

static bool
set_host_name (void)
{
  return sethostname ("probe", 5) == 0;
}

/* The harmless one: it only says what Ctrl-Alt-Del does. */
static bool
use_reboot (void)
{
  return syscall (SYS_reboot,
                  LINUX_REBOOT_MAGIC1,
                  LINUX_REBOOT_MAGIC2,
                  LINUX_REBOOT_CMD_CAD_OFF,
                  NULL) == 0;
}

static bool
swap_on (void)
{
  return syscall (SYS_swapon, "/tmp/none", 0) == 0 || errno != EPERM;
}

/* -- other processes, and being another -- */

static bool
become_root (void)
{
  return setuid (0) == 0;
}

static bool
see_first_process (void)
{
  return may_open ("/proc/1/status", O_RDONLY);
}

static bool
signal_first_process (void)
{
  return kill (1, 0) == 0;
}

static bool
trace_parent (void)
{
  return ptrace (PTRACE_ATTACH, 1, NULL, NULL) == 0;
}

static bool
have_real_time (void)
{
  const struct sched_param param = { .sched_priority = 1 };

  return sched_setscheduler (0, SCHED_FIFO, &param) == 0;
}

static bool
map_writable_code (void)
{
  void *at =
      mmap (NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  return at != MAP_FAILED;
}

static bool
change_personality (void)
{
  return personality (ADDR_NO_RANDOMIZE) >= 0;
}

/* -- network -- */

static bool
sniff (void)
{
  return may_have_socket (AF_PACKET, SOCK_RAW, 0);
}

static bool
have_raw_socket (void)
{
  return may_have_socket (AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static bool
have_bluetooth (void)
{
  return may_have_socket (AF_BLUETOOTH, SOCK_RAW, 0);
}

static bool
have_low_port (void)
{
  const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (99) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_bound = bind (fd, (const struct sockaddr *) &address, sizeof address) == 0;

  close (fd);
  return is_bound;
}

/* -- what a tunnel needs -- */

static bool
need_udp (void)
{
  return may_have_socket (AF_INET, SOCK_DGRAM, 0) && may_have_socket (AF_INET6, SOCK_DGRAM, 0);
}

static bool
need_mark (void)
{
  const int mark = 1;
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool is_set = setsockopt (fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0;

  close (fd);
  return is_set;
}

static bool
need_netlink (void)
{
  return may_have_socket (AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static bool
need_tun (void)
{
  struct ifreq request = { .ifr_name = "fz-probe", .ifr_flags = IFF_TUN | IFF_NO_PI };
  int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);
  bool is_made = fd >= 0 && ioctl (fd, TUNSETIFF, &request) == 0;

  if (fd >= 0)
    close (fd);
  return is_made;
}

static bool
need_bus (void)
{
  return access ("/run/dbus/system_bus_socket", W_OK) == 0;
}

static bool
need_state (void)
{
  char path[256];

  snprintf (path, sizeof path, "%s/probe", getenv ("STATE_DIRECTORY"));
  return may_open (path, O_WRONLY | O_CREAT) && unlink (path) == 0;
}

static bool
need_random (void)
{
  return may_open ("/dev/urandom", O_RDONLY);
}

int
main (void)
{
  static const Act acts[] = {
    { "write to /etc", write_etc },
    { "write the settings that it reads", write_settings },
    { "put a program into /usr/bin", replace_program },
    { "read a person's file", read_home },
    { "read root's file", read_root_home },
    { "read /etc/shadow", read_shadow },
    { "read a token's file", read_token_file },
    { "write to the control groups", write_cgroup },
    { "write a switch of the kernel", write_kernel_switch },
    { "open the kernel's log", open_kernel_log },
    { "open the machine's memory", open_memory },
    { "make a device node", make_device_node },
    { "make a file set-uid", make_setuid_file },
    { "give a file to root", give_file_away },
    { "load a module", load_module },
    { "load a BPF program", load_bpf },
    { "mount a file system", mount_something },
    { "change the root folder", change_root },
    { "make a user namespace", make_user_namespace },
    { "make a mount namespace", make_mount_namespace },
    { "make a network namespace", make_network_namespace },
    { "set the clock", set_clock },
    { "set the host name", set_host_name },
    { "reach for a reboot", use_reboot },
    { "add swap space", swap_on },
    { "become root", become_root },
    { "see the first process", see_first_process },
    { "signal the first process", signal_first_process },
    { "trace the first process", trace_parent },
    { "run in real time", have_real_time },
    { "map memory to write and run", map_writable_code },
    { "change its personality", change_personality },
    { "listen to packets of a link", sniff },
    { "have a raw socket", have_raw_socket },
    { "have a bluetooth socket", have_bluetooth },
    { "listen on a port below 1024", have_low_port },
    { "need: UDP", need_udp },
    { "need: a packet mark", need_mark },
    { "need: netlink", need_netlink },
    { "need: a TUN device", need_tun },
    { "need: the system bus", need_bus },
    { "need: its state folder", need_state },
    { "need: random bytes", need_random },
  };

  for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
    bool is_allowed;

    errno = 0;
    is_allowed = acts[i].try_it ();
    printf ("%s\t%s\t%s\n", is_allowed ? "allowed" : "refused", acts[i].what, strerror (errno));
    fflush (stdout);
  }
  return 0;
}
