/* fz-linux-rule.c
 *
 * The client's policy rules (tunnel.md §1.4): packets without our mark look at
 * the resources' table, then at the copied on-link routes, then at the default
 * routes of the Internet Resource. Our own sockets carry the mark and use the
 * main table. Rules outlive a killed process; empty tables make them harmless.
 */

#include "platform/linux/fz-linux-private.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

static const struct {
  uint32_t priority;
  uint32_t table;
} rules[] = {
  { 100, FZ_TABLE_RESOURCES },
  { 200, FZ_TABLE_LINK_SCOPE },
  { 300, FZ_TABLE_DEFAULT },
};

static const uint8_t families[] = { AF_INET, AF_INET6 };

static struct nl_msg *
make_message (int type, int flags, uint8_t family, size_t i_rule)
{
  const struct fib_rule_hdr header = {
    .family = family,
    .action = FR_ACT_TO_TBL,
    .flags = FIB_RULE_INVERT,
  };
  const uint8_t protocol = RTPROT_KERNEL;
  struct nl_msg *message = fz_netlink_message_new (type, flags, &header, sizeof header);

  fz_netlink_put_u32 (message, FRA_PRIORITY, rules[i_rule].priority);
  fz_netlink_put_u32 (message, FRA_TABLE, rules[i_rule].table);
  fz_netlink_put_u32 (message, FRA_FWMARK, FZ_FWMARK);
  fz_netlink_put_u32 (message, FRA_FWMASK, UINT32_MAX);
  fz_netlink_put (message, FRA_PROTOCOL, &protocol, sizeof protocol);
  return message;
}

static void
set_rule_error (GError **error, int error_number, const char *doing, size_t i_family, size_t i_rule)
{
  fz_linux_set_error (error,
                      error_number,
                      "%s the IPv%d rule of priority %u for table 0x%x",
                      doing,
                      i_family == 0 ? 4 : 6,
                      rules[i_rule].priority,
                      rules[i_rule].table);
}

bool
fz_linux_add_rules (FzLinux *self, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS (families); i++)
    for (size_t j = 0; j < G_N_ELEMENTS (rules); j++) {
      struct nl_msg *message =
          make_message (RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, families[i], j);
      int result = fz_netlink_request (&self->route, message);

      if (result == 0 || result == -EEXIST)
        continue;
      if (!fz_linux_is_family_missing (-result)) {
        set_rule_error (error, -result, "adding", i, j);
        return false;
      }
      fz_linux_log_no_family (self, i == 0 ? FZ_IP_V4 : FZ_IP_V6);
      break;
    }
  self->has_rules = true;
  return true;
}

/* The same rule may stand there more than once: a program without NLM_F_EXCL added it. */
static int
delete_all_of (FzLinux *self, uint8_t family, size_t i_rule)
{
  int result = 0;

  for (int i = 0; i < 100 && result == 0; i++)
    result = fz_netlink_request (&self->route, make_message (RTM_DELRULE, 0, family, i_rule));
  return result;
}

bool
fz_linux_remove_rules (FzLinux *self, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS (families); i++)
    for (size_t j = 0; j < G_N_ELEMENTS (rules); j++) {
      int result = delete_all_of (self, families[i], j);

      if (result != 0 && result != -ENOENT && !fz_linux_is_family_missing (-result)) {
        set_rule_error (error, -result, "removing", i, j);
        return false;
      }
    }
  self->has_rules = false;
  return true;
}
