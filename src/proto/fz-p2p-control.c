/* fz-p2p-control.c: see the header */

#include "src/proto/fz-p2p-control.h"

#define EVENT_HEADER_SIZE 8u
#define JSON_DEPTH_MAX    8u /* of a member that is skipped */
#define JSON_STRING_MAX   256u

/* -- a reader for the little JSON that travels here: no allocation, bounded depth -- */

static void
skip_space (FzReader *r)
{
  while (r->ok && r->left > 0 &&
         (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
    fz_reader_u8 (r);
}

static uint8_t
peek (FzReader *r)
{
  skip_space (r);
  return r->ok && r->left > 0 ? *r->at : 0;
}

static void
expect (FzReader *r, char c)
{
  skip_space (r);
  if (fz_reader_u8 (r) != (uint8_t) c)
    r->ok = false;
}

static bool
accept (FzReader *r, char c)
{
  if (peek (r) != (uint8_t) c)
    return false;
  fz_reader_u8 (r);
  return true;
}

static uint32_t
read_hex4 (FzReader *r)
{
  uint32_t value = 0;

  for (int i = 0; i < 4; i++) {
    uint8_t c = fz_reader_u8 (r);

    value <<= 4;
    if (c >= '0' && c <= '9')
      value |= (uint32_t) (c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
      value |= (uint32_t) ((c | 0x20) - 'a' + 10);
    else
      r->ok = false;
  }
  return value;
}

/* What our strings hold is ASCII: other characters of an escape become '?'. */
static uint8_t
read_escape (FzReader *r)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  uint8_t c = fz_reader_u8 (r);
  const char *at;

  if (c == 'u') {
    uint32_t value = read_hex4 (r);

    return value >= 0x20 && value < 0x7f ? (uint8_t) value : '?';
  }
  at = c != 0 ? strchr (from, c) : NULL;
  if (at == NULL) {
    r->ok = false;
    return 0;
  }
  return (uint8_t) to[at - from];
}

/* @out: JSON_STRING_MAX bytes, or NULL to skip a string of any length. */
static void
read_string (FzReader *r, char *out)
{
  size_t n = 0;

  expect (r, '"');
  while (r->ok) {
    uint8_t c = fz_reader_u8 (r);

    if (c == '"')
      break;
    if (c < 0x20)
      r->ok = false;
    if (c == '\\')
      c = read_escape (r);
    if (out == NULL)
      continue;
    if (n + 1 >= JSON_STRING_MAX)
      r->ok = false;
    else
      out[n++] = (char) c;
  }
  if (out != NULL)
    out[n] = '\0';
}

/* Skips any value. Scalars other than strings are skipped by their characters: what is no JSON
 * inside them does us no harm. */
static void
skip_value (FzReader *r)
{
  unsigned depth = 0;

  do {
    uint8_t c = peek (r);

    if (c == '"') {
      read_string (r, NULL);
    } else if (c == '{' || c == '[') {
      fz_reader_u8 (r);
      if (++depth > JSON_DEPTH_MAX)
        r->ok = false;
    } else if (c == '}' || c == ']') {
      if (depth == 0)
        r->ok = false; /* a value was expected */
      else
        depth--;
      fz_reader_u8 (r);
    } else if (depth > 0 && (c == ',' || c == ':')) {
      fz_reader_u8 (r);
    } else {
      if (c == 0 || c == ',' || c == ':')
        r->ok = false;
      while (r->ok && r->left > 0 && strchr ("\"{}[],: \t\r\n", *r->at) == NULL)
        fz_reader_u8 (r);
    }
  } while (r->ok && depth > 0);
}

static bool
read_uuid (FzReader *r, FzUuid *out)
{
  char text[JSON_STRING_MAX];

  read_string (r, text);
  return r->ok && fz_uuid_parse (text, out);
}

static bool
read_domain (FzReader *r, char out[FZ_P2P_DOMAIN_MAX])
{
  char text[JSON_STRING_MAX];
  size_t length;

  read_string (r, text);
  length = strlen (text);
  if (!r->ok || length == 0 || length >= FZ_P2P_DOMAIN_MAX)
    return false;
  memcpy (out, text, length + 1);
  return true;
}

static bool
read_ips (FzReader *r, FzP2pAssignedIps *out)
{
  char text[JSON_STRING_MAX];

  out->n_ips = 0;
  expect (r, '[');
  if (accept (r, ']'))
    return r->ok;
  do {
    read_string (r, text);
    if (!r->ok || out->n_ips == FZ_P2P_ASSIGNED_IPS_MAX ||
        !fz_ip_parse (text, &out->ips[out->n_ips]))
      return false;
    out->n_ips++;
  } while (accept (r, ','));
  expect (r, ']');
  return r->ok;
}

/* Walks over the members of an object: the key of the next one, false at the end. */
static bool
next_member (FzReader *r, bool *is_first, char key[JSON_STRING_MAX])
{
  if (*is_first)
    expect (r, '{');
  if (accept (r, '}'))
    return false;
  if (!*is_first)
    expect (r, ',');
  *is_first = false;
  read_string (r, key);
  expect (r, ':');
  return r->ok;
}

/* -- parsing -- */

FzDrop
fz_p2p_parse (const FzIpPacket *packet, uint8_t *out_event, FzSpan *out_payload)
{
  FzReader r = fz_reader (
      fz_span (fz_ip_packet_get_transport (packet), fz_ip_packet_get_transport_length (packet)));
  const uint8_t *header = fz_reader_take (&r, EVENT_HEADER_SIZE);

  if (header == NULL)
    return FZ_DROP_TRUNCATED;
  *out_event = header[0];
  *out_payload = fz_span (r.at, r.left);
  return FZ_DROP_NONE;
}

enum { HAS_RESOURCE = 1, HAS_DOMAIN = 2, HAS_REST = 4, HAS_ALL = 7 };

FzDrop
fz_p2p_parse_assigned_ips (FzSpan payload, FzP2pAssignedIps *out)
{
  FzReader r = fz_reader (payload);
  FzP2pAssignedIps event = { 0 };
  char key[JSON_STRING_MAX];
  bool is_first = true;
  unsigned has = 0;

  while (next_member (&r, &is_first, key)) {
    if (strcmp (key, "resource") == 0)
      has |= read_uuid (&r, &event.resource) ? HAS_RESOURCE : 0;
    else if (strcmp (key, "domain") == 0)
      has |= read_domain (&r, event.domain) ? HAS_DOMAIN : 0;
    else if (strcmp (key, "proxy_ips") == 0)
      has |= read_ips (&r, &event) ? HAS_REST : 0;
    else
      skip_value (&r);
  }
  if (!r.ok || has != HAS_ALL || (event.n_ips != 4 && event.n_ips != 8))
    return FZ_DROP_BAD_HEADER;
  *out = event;
  return FZ_DROP_NONE;
}

FzDrop
fz_p2p_parse_domain_status (FzSpan payload, FzP2pDomainStatus *out)
{
  FzReader r = fz_reader (payload);
  FzP2pDomainStatus event = { 0 };
  char key[JSON_STRING_MAX];
  char status[JSON_STRING_MAX];
  bool is_first = true;
  unsigned has = 0;

  while (next_member (&r, &is_first, key)) {
    if (strcmp (key, "resource") == 0) {
      has |= read_uuid (&r, &event.resource) ? HAS_RESOURCE : 0;
    } else if (strcmp (key, "domain") == 0) {
      has |= read_domain (&r, event.domain) ? HAS_DOMAIN : 0;
    } else if (strcmp (key, "status") == 0) {
      read_string (&r, status);
      event.is_active = r.ok && strcmp (status, "Active") == 0;
      has |= HAS_REST;
    } else {
      skip_value (&r);
    }
  }
  if (!r.ok || has != HAS_ALL)
    return FZ_DROP_BAD_HEADER;
  *out = event;
  return FZ_DROP_NONE;
}

/* -- writing -- */

static FzWriter
begin_packet (uint8_t out[FZ_P2P_PACKET_MAX], FzP2pEventKind event)
{
  FzWriter w = fz_writer (out, FZ_P2P_PACKET_MAX);

  fz_writer_u8 (&w, 0x60);
  fz_writer_zeros (&w, 3);
  fz_writer_u16be (&w, 0); /* length: end_packet */
  fz_writer_u8 (&w, FZ_IP_PROTOCOL_CONTROL);
  fz_writer_zeros (&w, 1 + 32); /* hop limit, both addresses */
  fz_writer_u8 (&w, (uint8_t) event);
  fz_writer_zeros (&w, EVENT_HEADER_SIZE - 1);
  return w;
}

static size_t
end_packet (FzWriter *w)
{
  if (!w->ok)
    return 0;
  fz_put_u16be (w->start + 4, (uint16_t) (w->length - FZ_IPV6_HEADER_SIZE));
  return w->length;
}

static void
write_text (FzWriter *w, const char *text)
{
  fz_writer_bytes (w, text, strlen (text));
}

static void
write_head (FzWriter *w, const FzUuid *resource, const char *domain)
{
  char text[FZ_UUID_TEXT_MAX];

  for (const char *c = domain; *c != '\0'; c++)
    if (*c == '"' || *c == '\\' || (unsigned char) *c < 0x20)
      w->ok = false; /* no domain name; nothing to escape */
  if (*domain == '\0')
    w->ok = false;
  write_text (w, "{\"resource\":\"");
  write_text (w, fz_uuid_format (resource, text));
  write_text (w, "\",\"domain\":\"");
  write_text (w, domain);
  write_text (w, "\",");
}

size_t
fz_p2p_write_goodbye (uint8_t out[FZ_P2P_PACKET_MAX])
{
  FzWriter w = begin_packet (out, FZ_P2P_GOODBYE);

  return end_packet (&w);
}

size_t
fz_p2p_write_assigned_ips (const FzP2pAssignedIps *event, uint8_t out[FZ_P2P_PACKET_MAX])
{
  FzWriter w = begin_packet (out, FZ_P2P_ASSIGNED_IPS);
  char text[FZ_IP_TEXT_MAX];

  if (event->n_ips != 4 && event->n_ips != 8)
    return 0;
  write_head (&w, &event->resource, event->domain);
  write_text (&w, "\"proxy_ips\":[");
  for (size_t i = 0; i < event->n_ips; i++) {
    write_text (&w, i == 0 ? "\"" : ",\"");
    write_text (&w, fz_ip_format (&event->ips[i], text));
    write_text (&w, "\"");
  }
  write_text (&w, "]}");
  return end_packet (&w);
}

size_t
fz_p2p_write_domain_status (const FzP2pDomainStatus *event, uint8_t out[FZ_P2P_PACKET_MAX])
{
  FzWriter w = begin_packet (out, FZ_P2P_DOMAIN_STATUS);

  write_head (&w, &event->resource, event->domain);
  write_text (&w, event->is_active ? "\"status\":\"Active\"}" : "\"status\":\"Inactive\"}");
  return end_packet (&w);
}
