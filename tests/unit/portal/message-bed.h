/* message-bed.h
 *
 * A frame of the portal's as text or tree, and what becomes of it; and the
 * pieces of which the recorded messages and their descriptions are made.
 */
#pragma once

#include "src/portal/fz-messages.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#define UNIX_NOW     UINT64_C (1780000000)
#define SITE_1       "aaaaaaaa-0000-4000-8000-0000000000a1"
#define RESOURCE_DNS "aaaaaaaa-0000-4000-8000-000000000004"
#define RESOURCE_LAB "aaaaaaaa-0000-4000-8000-000000000006"
#define RESOURCE_NET "aaaaaaaa-0000-4000-8000-000000000007"
#define CLIENT_1     "11111111-2222-4333-8444-555555555501"
#define GATEWAY_1    "11111111-2222-4333-8444-555555555502"
#define PSK          "UPzNZTQCgGDzf5o6h4GlcXRwTWaLiOCGh3CyypVuLlw="
#define KEY_1        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2        "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

#define RELAY_LOGIN                                                                                \
  "  login 1790000000:xXzDtV05+ab3cvUI44IeCigIIjUsDQ8NJZ+6Y7dNqaA "                                \
  "rjxAgvxLGvK6YLosZ/zYVf6VQFdvjPNcXoTjtH/pHL8 1790000000\n"
#define RELAY_DUAL                                                                                 \
  "relay 9cf49eea-aa45-4d96-bd47-cf2cfeaeb0df\n  ipv4 198.51.100.7:3478\n"                         \
  "  ipv6 [2001:db8::7]:3478\n" RELAY_LOGIN
#define INTERFACE                                                                                  \
  "ipv4 100.64.12.5\nipv6 fd00:2021:1111::5:12\ndo53 9.9.9.9\ndo53 2620:fe::fe\n"                  \
  "doh https://dns.quad9.net/dns-query\nsearch corp.example\n"
#define SITE "  site " SITE_1 "\n  site-name berlin\n"
#define LAB                                                                                        \
  "cidr " RESOURCE_LAB "\n  name Lab\n  description the lab\n  network 10.20.0.0/16\n"             \
  "  filter tcp 80-443\n  filter udp 0-65535\n  filter icmp 0-0\n" SITE
#define CANDIDATES                                                                                 \
  "candidate:4fe8a2c17f3d9b06 1 udp 1686109951 203.0.113.7 40000 typ srflx raddr 0.0.0.0 rport 0 " \
  "ufrag jbi4\n"                                                                                   \
  "candidate:1 1 udp 50331391 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0\n"

typedef struct {
  FzMessageVerdict verdict;
  char *described; /* of a command */
  char *problem;   /* of a refusal */
  char *warnings;
} MessageOutcome;

void message_outcome_clear (MessageOutcome *outcome);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MessageOutcome, message_outcome_clear)

/* A frame as it comes over the websocket; the topic says whose it is. */
MessageOutcome message_run_text (const char *text);
MessageOutcome message_run_tree (JsonNode *root);

/* The recorded frame @file, without its ending. */
JsonNode *message_load (const char *file);
