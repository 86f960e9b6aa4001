/* fz-linux-masquerade.c
 *
 * The gateway's forwarding and source NAT (tunnel.md §1.5): what comes from the
 * tunnel ranges and leaves by another interface takes that interface's address.
 * In nftables' own words:
 *
 *   table inet firezone {
 *     chain postrouting {
 *       type nat hook postrouting priority srcnat; policy accept;
 *       meta nfproto ipv4 ip saddr 100.64.0.0/11 oifname != "tun-firezone" masquerade
 *       meta nfproto ipv6 ip6 saddr fd00:2021:1111::/107 oifname != "tun-firezone" masquerade
 *     }
 *   }
 *
 * One transaction makes, empties and fills the table, so that a repeat changes
 * nothing and a failure leaves what was there. libnftables and libnftnl are
 * GPL-2; these few messages are written here.
 */

#include "platform/linux/fz-linux-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>
#include <unistd.h>

#define TABLE_NAME "firezone"
#define CHAIN_NAME "postrouting"
#define CHAIN_TYPE "nat"
#define RANGE_IPV4 "100.64.0.0/11" /* tunnel.md §1.1 */
#define RANGE_IPV6 "fd00:2021:1111::/107"

#define IPV4_SOURCE_OFFSET 12u /* bytes into the header, RFC 791 §3.1 */
#define IPV6_SOURCE_OFFSET 8u  /* RFC 8200 §3 */

/* -- messages -- */

static struct nl_msg *
make_batch_mark (int type)
{
  const struct nfgenmsg header = {
    .nfgen_family = AF_UNSPEC,
    .version = NFNETLINK_V0,
    .res_id = htons (NFNL_SUBSYS_NFTABLES),
  };

  return fz_netlink_message_new (type, 0, &header, sizeof header);
}

static struct nl_msg *
make_message (int type, int flags)
{
  const struct nfgenmsg header = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };

  return fz_netlink_message_new (NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof header);
}

static void
put_text (struct nl_msg *message, int type, const char *text)
{
  fz_netlink_put (message, type, text, strlen (text) + 1);
}

static void
put_be32 (struct nl_msg *message, int type, uint32_t value)
{
  fz_netlink_put_u32 (message, type, htonl (value));
}

static struct nl_msg *
make_table (int type)
{
  struct nl_msg *message = make_message (type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

  put_text (message, NFTA_TABLE_NAME, TABLE_NAME);
  return message;
}

static struct nl_msg *
make_chain (void)
{
  struct nl_msg *message = make_message (NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  struct nlattr *hook;

  put_text (message, NFTA_CHAIN_TABLE, TABLE_NAME);
  put_text (message, NFTA_CHAIN_NAME, CHAIN_NAME);
  hook = nla_nest_start (message, NFTA_CHAIN_HOOK);
  put_be32 (message, NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
  put_be32 (message, NFTA_HOOK_PRIORITY, NF_IP_PRI_NAT_SRC);
  nla_nest_end (message, hook);
  put_be32 (message, NFTA_CHAIN_POLICY, NF_ACCEPT);
  put_text (message, NFTA_CHAIN_TYPE, CHAIN_TYPE);
  return message;
}

/* -- expressions of a rule; all use register 1 -- */

typedef struct {
  struct nlattr *element;
  struct nlattr *data;
} Expression;

static Expression
begin_expression (struct nl_msg *message, const char *name)
{
  Expression expression;

  expression.element = nla_nest_start (message, NFTA_LIST_ELEM);
  put_text (message, NFTA_EXPR_NAME, name);
  expression.data = nla_nest_start (message, NFTA_EXPR_DATA);
  return expression;
}

static void
end_expression (struct nl_msg *message, Expression expression)
{
  nla_nest_end (message, expression.data);
  nla_nest_end (message, expression.element);
}

static void
put_value (struct nl_msg *message, int type, const void *value, size_t size)
{
  struct nlattr *data = nla_nest_start (message, type);

  fz_netlink_put (message, NFTA_DATA_VALUE, value, size);
  nla_nest_end (message, data);
}

static void
put_meta (struct nl_msg *message, uint32_t key)
{
  Expression expression = begin_expression (message, "meta");

  put_be32 (message, NFTA_META_DREG, NFT_REG_1);
  put_be32 (message, NFTA_META_KEY, key);
  end_expression (message, expression);
}

static void
put_compare (struct nl_msg *message, uint32_t operation, const void *value, size_t size)
{
  Expression expression = begin_expression (message, "cmp");

  put_be32 (message, NFTA_CMP_SREG, NFT_REG_1);
  put_be32 (message, NFTA_CMP_OP, operation);
  put_value (message, NFTA_CMP_DATA, value, size);
  end_expression (message, expression);
}

static void
put_source_address (struct nl_msg *message, uint32_t offset, uint32_t size)
{
  Expression expression = begin_expression (message, "payload");

  put_be32 (message, NFTA_PAYLOAD_DREG, NFT_REG_1);
  put_be32 (message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
  put_be32 (message, NFTA_PAYLOAD_OFFSET, offset);
  put_be32 (message, NFTA_PAYLOAD_LEN, size);
  end_expression (message, expression);
}

static void
put_mask (struct nl_msg *message, const uint8_t *mask, uint32_t size)
{
  static const uint8_t zeros[16];
  Expression expression = begin_expression (message, "bitwise");

  put_be32 (message, NFTA_BITWISE_SREG, NFT_REG_1);
  put_be32 (message, NFTA_BITWISE_DREG, NFT_REG_1);
  put_be32 (message, NFTA_BITWISE_LEN, size);
  put_value (message, NFTA_BITWISE_MASK, mask, size);
  put_value (message, NFTA_BITWISE_XOR, zeros, size);
  end_expression (message, expression);
}

static void
put_masquerade (struct nl_msg *message)
{
  struct nlattr *element = nla_nest_start (message, NFTA_LIST_ELEM);

  put_text (message, NFTA_EXPR_NAME, "masq");
  nla_nest_end (message, element);
}

static struct nl_msg *
make_rule (const char *range_text, const char *tun_name)
{
  struct nl_msg *message = make_message (NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  char interface[IFNAMSIZ] = { 0 }; /* compared as a whole, with its zeros */
  FzIpNetwork range;
  FzIp mask = { 0 };
  struct nlattr *expressions;
  uint8_t protocol;
  bool is_v4;

  g_assert (fz_ip_network_parse (range_text, &range));
  is_v4 = range.ip.family == FZ_IP_V4;
  protocol = is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  mask.family = range.ip.family;
  memset (mask.bytes, 0xff, sizeof mask.bytes);
  mask = fz_ip_masked (&mask, range.prefix_length);
  g_strlcpy (interface, tun_name, sizeof interface);

  put_text (message, NFTA_RULE_TABLE, TABLE_NAME);
  put_text (message, NFTA_RULE_CHAIN, CHAIN_NAME);
  expressions = nla_nest_start (message, NFTA_RULE_EXPRESSIONS);
  put_meta (message, NFT_META_NFPROTO);
  put_compare (message, NFT_CMP_EQ, &protocol, sizeof protocol);
  put_source_address (
      message, is_v4 ? IPV4_SOURCE_OFFSET : IPV6_SOURCE_OFFSET, (uint32_t) fz_ip_size (&range.ip));
  put_mask (message, mask.bytes, (uint32_t) fz_ip_size (&range.ip));
  put_compare (message, NFT_CMP_EQ, range.ip.bytes, fz_ip_size (&range.ip));
  put_meta (message, NFT_META_OIFNAME);
  put_compare (message, NFT_CMP_NEQ, interface, sizeof interface);
  put_masquerade (message);
  nla_nest_end (message, expressions);
  return message;
}

/* -- forwarding -- */

/* The first character of a sysctl, '\0' if it is not there. */
static char
read_switch (const char *path)
{
  char value = '\0';
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd >= 0) {
    if (read (fd, &value, 1) != 1)
      value = '\0';
    close (fd);
  }
  return value;
}

static int
write_switch (const char *path)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  int error_number = 0;

  if (fd < 0)
    return errno;
  if (write (fd, "1", 1) != 1)
    error_number = errno;
  close (fd);
  return error_number;
}

/* In a container /proc/sys is read-only; that is fine where forwarding is on already. */
static bool
switch_forwarding_on (FzLinux *self, FzIpFamily family, GError **error)
{
  bool is_v4 = family == FZ_IP_V4;
  const char *path =
      is_v4 ? "/proc/sys/net/ipv4/ip_forward" : "/proc/sys/net/ipv6/conf/all/forwarding";
  const char *name = is_v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
  char value = read_switch (path);
  int error_number;

  if (value == '\0') {
    fz_linux_log_no_family (self, family);
    return true;
  }
  if (value != '0')
    return true;
  error_number = write_switch (path);
  if (error_number == 0)
    return true;
  g_set_error (error,
               FZ_PLATFORM_ERROR,
               error_number == EACCES || error_number == EPERM ? FZ_PLATFORM_ERROR_PERMISSION
                                                               : FZ_PLATFORM_ERROR_FAILED,
               "IPv%d forwarding is off and %s cannot be written (%s): run sysctl -w %s=1 on the "
               "host, or start the container with that sysctl",
               is_v4 ? 4 : 6,
               path,
               g_strerror (error_number),
               name);
  return false;
}

/* -- the door -- */

static bool
open_filter (FzLinux *self, GError **error)
{
  int result = fz_netlink_open (&self->filter, NETLINK_NETFILTER);

  if (result == 0)
    return true;
  fz_linux_set_error (error, -result, "opening the nftables socket");
  return false;
}

bool
fz_linux_add_masquerade (FzPlatform *platform, FzTun *tun, GError **error)
{
  FzLinux *self = (FzLinux *) platform;
  int result;

  if (!switch_forwarding_on (self, FZ_IP_V4, error) ||
      !switch_forwarding_on (self, FZ_IP_V6, error) || !open_filter (self, error))
    return false;
  {
    struct nl_msg *const messages[] = {
      make_batch_mark (NFNL_MSG_BATCH_BEGIN),
      make_table (NFT_MSG_NEWTABLE), /* so that the next has something to delete */
      make_table (NFT_MSG_DELTABLE),
      make_table (NFT_MSG_NEWTABLE),
      make_chain (),
      make_rule (RANGE_IPV4, tun->name),
      make_rule (RANGE_IPV6, tun->name),
      make_batch_mark (NFNL_MSG_BATCH_END),
    };

    result = fz_netlink_batch (&self->filter, messages, G_N_ELEMENTS (messages));
  }
  if (result == 0)
    return true;
  fz_linux_set_error (error,
                      -result,
                      "masquerading by the nftables table inet " TABLE_NAME
                      " (it needs the kernel's nf_tables and nft_masq)");
  return false;
}

bool
fz_linux_remove_masquerade (FzPlatform *platform, GError **error)
{
  FzLinux *self = (FzLinux *) platform;
  int result;

  if (!open_filter (self, NULL))
    return true; /* a kernel without nfnetlink has no table either */
  {
    struct nl_msg *const messages[] = {
      make_batch_mark (NFNL_MSG_BATCH_BEGIN),
      make_table (NFT_MSG_DELTABLE),
      make_batch_mark (NFNL_MSG_BATCH_END),
    };

    result = fz_netlink_batch (&self->filter, messages, G_N_ELEMENTS (messages));
  }
  if (result == 0 || result == -ENOENT || result == -EOPNOTSUPP)
    return true;
  fz_linux_set_error (error, -result, "removing the nftables table inet " TABLE_NAME);
  return false;
}
