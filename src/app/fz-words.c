/* fz-words.c: see fz-words.h */
#include "src/app/fz-words.h"

#include <glib/gi18n.h>

char *
fz_words_dup_rtt (uint32_t rtt_us)
{
  if (rtt_us == 0)
    return g_strdup ("");
  if (rtt_us < 1000) /* Translators: a time, milliseconds */
    return g_strdup_printf (_ ("%.1f ms"), rtt_us / 1000.0);
  return g_strdup_printf (_ ("%u ms"),
                          (rtt_us + 500) / 1000); /* Translators: a time, milliseconds */
}

char *
fz_words_dup_ago (uint64_t then_us, uint64_t now_us)
{
  uint64_t s = now_us > then_us ? (now_us - then_us) / G_USEC_PER_SEC : 0;
  unsigned int minutes = (unsigned int) (s / 60), hours = minutes / 60, days = hours / 24;

  if (then_us == 0)
    return g_strdup (_ ("never"));
  if (s < 10)
    return g_strdup (_ ("now"));
  if (minutes == 0)
    return g_strdup_printf (ngettext ("%u second ago", "%u seconds ago", s), (unsigned int) s);
  if (hours == 0)
    return g_strdup_printf (ngettext ("%u minute ago", "%u minutes ago", minutes), minutes);
  if (days == 0)
    return g_strdup_printf (ngettext ("%u hour ago", "%u hours ago", hours), hours);
  return g_strdup_printf (ngettext ("%u day ago", "%u days ago", days), days);
}

char *
fz_words_dup_until (uint64_t then_us, uint64_t now_us)
{
  uint64_t s = then_us > now_us ? (then_us - now_us) / G_USEC_PER_SEC : 0;
  unsigned int minutes = (unsigned int) (s / 60) + 1; /* 59 s are "in 1 minute" */
  unsigned int hours = (unsigned int) (s / 3600), days = hours / 24;

  if (s == 0)
    /* Translators: stands where "in 5 days" stands otherwise: "The session ends any moment now" */
    return g_strdup (_ ("any moment now"));
  if (hours == 0)
    return g_strdup_printf (ngettext ("in %u minute", "in %u minutes", minutes), minutes);
  if (days < 2)
    return g_strdup_printf (ngettext ("in %u hour", "in %u hours", hours), hours);
  return g_strdup_printf (ngettext ("in %u day", "in %u days", days), days);
}

const char *
fz_words_resource_state (FzResourceState state)
{
  switch (state) {
  case FZ_RESOURCE_IDLE:
    return _ ("Ready"); /* Translators: a path is made as soon as the resource is used */
  case FZ_RESOURCE_CONNECTING:
    return _ ("Connecting");
  case FZ_RESOURCE_DIRECT:
    return _ ("Direct"); /* Translators: the path to a resource goes straight to its gateway */
  case FZ_RESOURCE_RELAYED:
    return _ ("Relayed"); /* Translators: the path to a resource goes through a relay */
  case FZ_RESOURCE_OFFLINE:
    return _ ("Gateways offline");
  case FZ_RESOURCE_DENIED:
    return _ ("Not allowed");
  case FZ_RESOURCE_UNKNOWN:
    break;
  }
  return _ ("Unknown");
}

const char *
fz_words_resource_icon (FzResourceState state)
{
  switch (state) {
  case FZ_RESOURCE_IDLE:
    return "fz-fact-off-symbolic";
  case FZ_RESOURCE_CONNECTING:
    return "fz-fact-busy-symbolic";
  case FZ_RESOURCE_DIRECT:
    return "fz-fact-good-symbolic";
  case FZ_RESOURCE_RELAYED:
    return "fz-fact-relayed-symbolic";
  case FZ_RESOURCE_OFFLINE:
  case FZ_RESOURCE_DENIED:
    return "fz-fact-bad-symbolic";
  case FZ_RESOURCE_UNKNOWN:
    break;
  }
  return "fz-fact-off-symbolic";
}

const char *
fz_words_resource_kind (const char *kind)
{
  if (g_str_equal (kind, "dns"))
    return _ ("Name");
  if (g_str_equal (kind, "ip"))
    return _ ("Address");
  if (g_str_equal (kind, "cidr"))
    return _ ("Address range");
  if (g_str_equal (kind, "internet"))
    return _ ("All Internet traffic");
  if (g_str_equal (kind, "pool"))
    return _ ("Devices");
  return _ ("Resource");
}
