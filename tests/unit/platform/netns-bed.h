/* netns-bed.h: what the tests of the real platform stand on
 *
 * Each test runs in a fresh network namespace of this process (and, for an
 * ordinary user, in a user namespace where it is root). What the kernel thinks
 * is asked of ip and nft, which share no code with us.
 */
#pragma once

#include "platform/linux/fz-linux-private.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <sys/types.h>

/* False, after a line that says why, where namespaces cannot be made. */
bool bed_init (void);

/* Adds a test that starts in a network namespace of its own, with lo up. */
void bed_add (const char *path, void (*test) (void));

/* Runs a shell command; the test fails if it does. Its output; free with g_free. */
char *bed_run (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* Asserts that the output of @command has, or has not, @text in it. */
void bed_assert_has (const char *command, const char *text);
void bed_assert_lacks (const char *command, const char *text);

/* Runs @part in a forked child and waits: whether it returned true. */
bool bed_fork (bool (*part) (void));

/* Lets the main loop run until *@condition or for @timeout_ms; the time it took, in ms. */
unsigned bed_wait (const bool *condition, unsigned timeout_ms);

/* -- a platform with a log that is kept -- */
FzPlatform *bed_platform_new (void);
FzTun *bed_open_tun (FzPlatform *platform, bool use_offloads); /* FZ_TUN_NAME, of one queue */
unsigned bed_count_logged (const char *event);
