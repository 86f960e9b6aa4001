/* fz-linux-netlink.h
 *
 * Requests, dumps and batches over one netlink socket, one at a time, with the
 * kernel's own errno as the answer. libnl carries socket, messages and
 * attributes; its caches and its own error codes, which lose the errno, are not
 * used.
 */
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
  struct nl_sock *socket;
  int protocol; /* NETLINK_ROUTE, … */
} FzNetlink;

/* 0 or a negative errno, like all below. @self is zeroed or open before. */
int fz_netlink_open (FzNetlink *self, int protocol);
void fz_netlink_close (FzNetlink *self); /* harmless if it is not open */

/* A message with @header of @size bytes behind the netlink header; attributes follow by nla_put. */
struct nl_msg *fz_netlink_message_new (int type, int flags, const void *header, size_t size);

/* Attributes. A message has room for 4 KiB in all, which none of ours comes near. */
void fz_netlink_put (struct nl_msg *message, int type, const void *data, size_t size);
void fz_netlink_put_u32 (struct nl_msg *message, int type, uint32_t value); /* native order */

/* Takes @message, waits for its acknowledgement. */
int fz_netlink_request (FzNetlink *self, struct nl_msg *message);

typedef void (*FzNetlinkFunc) (const struct nlmsghdr *header, void *user_data);

/* Takes @message, which gets NLM_F_DUMP, and calls @func for each answer. A dump that changes
 * interrupted is tried again, so @func may see an object twice: @restart says so. */
int fz_netlink_dump (FzNetlink *self,
                     struct nl_msg *message,
                     FzNetlinkFunc func,
                     void (*restart) (void *user_data),
                     void *user_data);

#define FZ_NETLINK_BATCH_MAX 16u /* messages, begin and end included */

/* Takes @messages, sends them as one datagram (nfnetlink's transactions: all or nothing) and waits
 * for every acknowledgement. The first error counts. */
int fz_netlink_batch (FzNetlink *self, struct nl_msg *const messages[], size_t n);
