/* fz-door.c: see the header */

#include "src/server/fz-door.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define GUEST_KEY       "fz-guest"
#define FULL_PAUSE_MS   100u
#define UNSENT_LIMIT_MS 30000 /* a peer that takes nothing for so long is cut off */

/* TLS: a record's head (RFC 8446 §5.1), and what a client's first one may be long with it */
#define HEAD_BYTES       5u
#define HANDSHAKE_RECORD 22u
#define RECORD_BYTES_MAX (HEAD_BYTES + 16384u)

typedef struct {
  FzDoor *door;
  GSocket *socket;
  guint id; /* of the socket's source, or of a pause */
} Leaf;

typedef enum {
  GUEST_OUTSIDE, /* the door's alone: has said no hello, or is held */
  GUEST_SHAKING, /* one of GLib's threads makes its TLS handshake */
  GUEST_INSIDE,  /* libsoup's, as long as that keeps the peer's address */
} GuestStage;

/* A connection. */
typedef struct {
  FzDoor *door; /* NULL: the door is gone, or lets in no more */
  GSocket *socket;
  GIOStream *stream; /* TLS; from the handshake until libsoup has it */
  FzIp source;       /* as the lobby counts them; FZ_IP_NONE: a proxy's, without a limit */
  GuestStage stage;
  guint id;       /* of the deadline for a request; 0: none is owed */
  guint hello_id; /* until the client has said hello */
  guint slow_id;  /* until the handshake has had its time */
  gint64 since;   /* monotonic, us: owes a request */
  GList of_door;  /* data: this */
  FzLobbyPlace place;
  FzHandshake handshake;
  bool has_head;    /* of its hello */
  bool has_request; /* has begun one */
  bool is_leaving;  /* cut off */
} Guest;

struct FzDoor {
  SoupServer *server;
  GTlsCertificate *certificate;
  FzLog log;
  const FzIpNetwork *proxies; /* borrowed */
  size_t n_proxies;
  GPtrArray *leaves; /* Leaf */
  GQueue guests;     /* Guest: all of them */
  FzLobby *lobby;    /* those that owe a request */
  FzHandshakes *handshakes;
  guint patience_ms;
  guint handshake_ms;
  guint grace_ms;
  guint report_ms;
  guint report_id; /* while there may be more to report */
  gulong started_id;
  unsigned n_leaving;
  uint64_t n_too_late;
  uint64_t n_too_slow;
  uint64_t n_pauses;
  FzDoorCounts reported;
};

static void
free_leaf (gpointer data)
{
  Leaf *leaf = data;

  g_clear_handle_id (&leaf->id, g_source_remove);
  g_object_unref (leaf->socket);
  g_free (leaf);
}

/* -- what is told of a crowd -- */

static uint64_t
n_to_report (const FzDoorCounts *counts)
{
  return counts->pushed_out.n_of_source + counts->pushed_out.n_in_all + counts->n_too_slow +
         counts->n_pauses;
}

static void
report (FzDoor *self)
{
  FzDoorCounts now = fz_door_get_counts (self), was = self->reported;

  fz_log (&self->log,
          FZ_LOG_WARNING,
          "door-crowded",
          "more connections came than sent whole requests: some were closed to make room, or "
          "nobody was let in for a moment",
          FZ_KV_U64 ("too_many_of_their_source",
                     now.pushed_out.n_of_source - was.pushed_out.n_of_source),
          FZ_KV_U64 ("too_many_in_all", now.pushed_out.n_in_all - was.pushed_out.n_in_all),
          FZ_KV_U64 ("handshakes_too_slow", now.n_too_slow - was.n_too_slow),
          FZ_KV_U64 ("pauses", now.n_pauses - was.n_pauses),
          FZ_KV_U64 ("waiting", now.n_waiting),
          FZ_KV_U64 ("waiting_for_handshakes", now.n_held));
  self->reported = now;
}

static gboolean
on_report_due (gpointer data)
{
  FzDoor *self = data;
  FzDoorCounts now = fz_door_get_counts (self);

  if (n_to_report (&now) > n_to_report (&self->reported)) {
    report (self);
    return G_SOURCE_CONTINUE;
  }
  self->report_id = 0;
  return G_SOURCE_REMOVE;
}

/* The first one at once, those after it together. */
static void
report_soon (FzDoor *self)
{
  if (self->report_id != 0)
    return;
  report (self);
  self->report_id = g_timeout_add (self->report_ms, on_report_due, self);
}

/* -- waiting for a request -- */

static void
detach (Guest *guest)
{
  FzDoor *door = g_steal_pointer (&guest->door);

  if (door == NULL)
    return;
  fz_lobby_leave (door->lobby, &guest->place);
  fz_handshakes_leave (door->handshakes, &guest->handshake);
  g_queue_unlink (&door->guests, &guest->of_door);
  door->n_leaving -= guest->is_leaving;
}

static void
free_guest (gpointer data)
{
  Guest *guest = data;

  detach (guest);
  g_clear_handle_id (&guest->id, g_source_remove);
  g_clear_handle_id (&guest->hello_id, g_source_remove);
  g_clear_handle_id (&guest->slow_id, g_source_remove);
  g_clear_object (&guest->stream);
  g_object_unref (guest->socket);
  g_free (guest);
}

/* The door closes. */
static void
let_go (Guest *guest)
{
  if (guest->stage == GUEST_OUTSIDE) {
    free_guest (guest);
    return;
  }
  if (guest->stage == GUEST_SHAKING)
    g_socket_shutdown (guest->socket, TRUE, TRUE, NULL);
  detach (guest);
}

/* A thread that makes its TLS handshake wakes up, too, and libsoup lets go of the descriptor by
 * and by; outside, the connection is gone at once. */
static void
cut_off (Guest *guest)
{
  if (guest->stage == GUEST_OUTSIDE) {
    free_guest (guest);
    return;
  }
  g_clear_handle_id (&guest->id, g_source_remove);
  g_socket_shutdown (guest->socket, TRUE, TRUE, NULL);
  if (guest->door == NULL || guest->is_leaving)
    return;
  fz_lobby_leave (guest->door->lobby, &guest->place);
  guest->is_leaving = true;
  guest->door->n_leaving++;
}

static gboolean
on_deadline (gpointer data)
{
  Guest *guest = data;

  guest->id = 0;
  if (guest->door != NULL)
    guest->door->n_too_late++;
  cut_off (guest);
  return G_SOURCE_REMOVE;
}

static void
stop_expecting (Guest *guest)
{
  g_clear_handle_id (&guest->id, g_source_remove);
  if (guest->door != NULL)
    fz_lobby_leave (guest->door->lobby, &guest->place);
}

static void
expect_request (FzDoor *self, Guest *guest)
{
  Guest *oldest;

  if (guest->is_leaving)
    return;
  stop_expecting (guest);
  guest->id = g_timeout_add (self->patience_ms, on_deadline, guest);
  guest->since = g_get_monotonic_time ();
  oldest = fz_lobby_enter (self->lobby,
                           &guest->place,
                           guest,
                           guest->source.family != FZ_IP_NONE ? &guest->source : NULL);
  if (oldest == NULL)
    return;
  cut_off (oldest);
  report_soon (self);
}

static Guest *
find_guest (SoupServerMessage *message)
{
  GSocketAddress *remote = soup_server_message_get_remote_address (message);

  return remote != NULL ? g_object_get_data (G_OBJECT (remote), GUEST_KEY) : NULL;
}

static void
on_got_body (SoupServerMessage *message, gpointer data)
{
  Guest *guest = find_guest (message);

  if (guest != NULL)
    stop_expecting (guest);
}

/* The first of a connection, and each that may follow: libsoup waits for it. */
static void
on_request_started (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  Guest *guest = find_guest (message);

  if (guest == NULL)
    return;
  if (guest->has_request) /* the first one is expected since it came in */
    expect_request (data, guest);
  guest->has_request = true;
  g_signal_connect (message, "got-body", G_CALLBACK (on_got_body), NULL);
}

/* -- life -- */

FzDoor *
fz_door_new (SoupServer *server, GTlsCertificate *certificate, const FzLog *log)
{
  FzDoor *self = g_new0 (FzDoor, 1);

  self->server = g_object_ref (server);
  g_set_object (&self->certificate, certificate);
  self->log = *log;
  self->lobby = fz_lobby_new ();
  self->handshakes = fz_handshakes_new ();
  self->report_ms = FZ_DOOR_REPORT_MS;
  self->leaves = g_ptr_array_new_with_free_func (free_leaf);
  self->patience_ms = FZ_DOOR_PATIENCE_MS;
  self->handshake_ms = FZ_DOOR_HANDSHAKE_MS;
  self->grace_ms = FZ_DOOR_GRACE_MS;
  self->started_id =
      g_signal_connect (server, "request-started", G_CALLBACK (on_request_started), self);
  return self;
}

void
fz_door_free (FzDoor *self)
{
  if (self == NULL)
    return;
  g_signal_handler_disconnect (self->server, self->started_id);
  g_clear_handle_id (&self->report_id, g_source_remove);
  while (self->guests.head != NULL)
    let_go (self->guests.head->data);
  fz_lobby_free (self->lobby);
  fz_handshakes_free (self->handshakes);
  g_ptr_array_unref (self->leaves);
  g_clear_object (&self->certificate);
  g_object_unref (self->server);
  g_free (self);
}

void
fz_door_set_patience (FzDoor *self, unsigned ms)
{
  self->patience_ms = ms;
}

void
fz_door_set_handshake_time (FzDoor *self, unsigned ms)
{
  self->handshake_ms = ms;
}

void
fz_door_set_grace (FzDoor *self, unsigned ms)
{
  self->grace_ms = ms;
}

void
fz_door_set_limits (FzDoor *self, unsigned waiting_max, unsigned of_source_max)
{
  fz_lobby_set_limits (self->lobby, waiting_max, of_source_max);
}

void
fz_door_set_report_interval (FzDoor *self, unsigned ms)
{
  self->report_ms = ms;
}

void
fz_door_set_proxies (FzDoor *self, const FzIpNetwork *networks, size_t n)
{
  self->proxies = networks;
  self->n_proxies = n;
}

FzDoorCounts
fz_door_get_counts (const FzDoor *self)
{
  return (FzDoorCounts){
    .n_waiting = fz_lobby_length (self->lobby),
    .n_leaving = self->n_leaving,
    .n_shaking = fz_handshakes_n_begun (self->handshakes),
    .n_held = fz_handshakes_n_held (self->handshakes),
    .pushed_out = fz_lobby_counts (self->lobby),
    .n_too_late = self->n_too_late,
    .n_too_slow = self->n_too_slow,
    .n_pauses = self->n_pauses,
  };
}

/* -- letting in -- */

/* A peer that stops reading must not make us keep its pushes for ever. */
static void
set_options (GSocket *socket)
{
  g_socket_set_option (socket, IPPROTO_TCP, TCP_USER_TIMEOUT, UNSENT_LIMIT_MS, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
}

static GIOStream *
wrap_in_tls (FzDoor *self, GSocket *socket)
{
  static const char *const protocols[] = { "http/1.1", "http/1.0", NULL };
  g_autoptr (GSocketConnection) plain = g_socket_connection_factory_create_connection (socket);
  GIOStream *tls = g_tls_server_connection_new (G_IO_STREAM (plain), self->certificate, NULL);

  if (tls != NULL)
    g_object_set (tls, "require-close-notify", FALSE, "advertised-protocols", protocols, NULL);
  return tls;
}

static FzIp
source_of (const FzDoor *self, GSocketAddress *remote)
{
  GInetAddress *address = g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote));
  const guint8 *bytes = g_inet_address_to_bytes (address);
  FzIp ip = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4 ? fz_ip_v4 (bytes)
                                                                        : fz_ip_v6 (bytes);

  for (size_t i = 0; i < self->n_proxies; i++)
    if (fz_ip_network_contains (&self->proxies[i], &ip))
      return (FzIp){ .family = FZ_IP_NONE };
  return fz_lobby_source (&ip);
}

static void
hand_over (FzDoor *self, Guest *guest)
{
  g_autoptr (GSocketAddress) local = g_socket_get_local_address (guest->socket, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_get_remote_address (guest->socket, NULL);
  g_autoptr (GIOStream) stream = g_steal_pointer (&guest->stream);

  if (local == NULL || remote == NULL) {
    free_guest (guest); /* gone already */
    return;
  }
  if (stream == NULL)
    stream = G_IO_STREAM (g_socket_connection_factory_create_connection (guest->socket));
  guest->stage = GUEST_INSIDE;
  g_object_set_data_full (G_OBJECT (remote), GUEST_KEY, guest, free_guest);
  soup_server_accept_iostream (self->server, stream, local, remote, NULL);
}

/* -- TLS: the handshake -- */

static void go_on (FzDoor *self);

/* Its thread is free. */
static void
on_shaken (GObject *source, GAsyncResult *result, gpointer data)
{
  Guest *guest = data;
  FzDoor *door = guest->door;
  bool is_done = g_tls_connection_handshake_finish (G_TLS_CONNECTION (source), result, NULL);

  g_clear_handle_id (&guest->slow_id, g_source_remove);
  if (door == NULL) {
    free_guest (guest);
    return;
  }
  fz_handshakes_leave (door->handshakes, &guest->handshake);
  if (is_done && !guest->is_leaving)
    hand_over (door, guest);
  else
    free_guest (guest);
  go_on (door);
}

static gboolean
on_slow (gpointer data)
{
  Guest *guest = data;

  guest->slow_id = 0;
  if (guest->door == NULL)
    return G_SOURCE_REMOVE;
  fz_handshakes_set_overdue (guest->door->handshakes, &guest->handshake);
  go_on (guest->door);
  return G_SOURCE_REMOVE;
}

static void
begin_handshake (FzDoor *self, Guest *guest)
{
  guest->stream = wrap_in_tls (self, guest->socket);
  if (guest->stream == NULL) {
    free_guest (guest);
    return;
  }
  guest->stage = GUEST_SHAKING;
  guest->slow_id = g_timeout_add (self->handshake_ms, on_slow, guest);
  g_tls_connection_handshake_async (
      G_TLS_CONNECTION (guest->stream), G_PRIORITY_DEFAULT, NULL, on_shaken, guest);
}

/* Whose turn it is begins; who has had his time while others wait has to go. */
static void
go_on (FzDoor *self)
{
  Guest *guest;

  while ((guest = fz_handshakes_next (self->handshakes)) != NULL)
    begin_handshake (self, guest);
  while ((guest = fz_handshakes_cut (self->handshakes)) != NULL) {
    self->n_too_slow += !guest->is_leaving;
    cut_off (guest);
    report_soon (self);
  }
}

/* -- TLS: the hello -- */

static void
wake_at (GSocket *socket, size_t n_bytes)
{
  g_socket_set_option (socket, SOL_SOCKET, SO_RCVLOWAT, (gint) n_bytes, NULL);
}

/* How long the record is that begins; 0: it is here, or cannot be one. */
static size_t
missing_record (GSocket *socket)
{
  uint8_t head[HEAD_BYTES];
  ssize_t n = recv (g_socket_get_fd (socket), head, sizeof head, MSG_PEEK | MSG_DONTWAIT);
  size_t size;

  if (n != sizeof head || head[0] != HANDSHAKE_RECORD)
    return 0;
  size = HEAD_BYTES + ((size_t) head[3] << 8 | head[4]);
  return size <= RECORD_BYTES_MAX && g_socket_get_available_bytes (socket) < (gssize) size ? size
                                                                                           : 0;
}

/* The kernel wakes us up for the head, and once more for the rest of it or the end. */
static gboolean
on_hello (GSocket *socket, GIOCondition condition, gpointer data)
{
  Guest *guest = data;
  FzDoor *door;
  size_t size = guest->has_head ? 0 : missing_record (socket);

  if (size != 0) {
    guest->has_head = true;
    wake_at (socket, size);
    return G_SOURCE_CONTINUE;
  }
  guest->hello_id = 0;
  wake_at (socket, 1);
  door = guest->door;
  fz_handshakes_enter (door->handshakes, &guest->handshake, guest, &guest->source);
  go_on (door);
  return G_SOURCE_REMOVE;
}

/* Who says nothing shall have none of the threads for handshakes, of which he would keep one. */
static void
wait_for_hello (Guest *guest)
{
  g_autoptr (GSource) source = g_socket_create_source (guest->socket, G_IO_IN, NULL);

  wake_at (guest->socket, HEAD_BYTES);
  g_source_set_callback (source, G_SOURCE_FUNC (on_hello), guest, NULL);
  guest->hello_id = g_source_attach (source, NULL);
}

/* -- in -- */

static void
let_in (FzDoor *self, GSocket *socket)
{
  g_autoptr (GSocketAddress) remote = g_socket_get_remote_address (socket, NULL);
  Guest *guest;

  if (remote == NULL)
    return; /* gone already */
  set_options (socket);
  guest = g_new0 (Guest, 1);
  guest->door = self;
  guest->socket = g_object_ref (socket);
  guest->source = source_of (self, remote);
  guest->of_door.data = guest;
  g_queue_push_tail_link (&self->guests, &guest->of_door);
  expect_request (self, guest);
  if (self->certificate != NULL)
    wait_for_hello (guest);
  else
    hand_over (self, guest);
}

GSocket *
fz_door_get_socket (SoupServerMessage *message)
{
  const Guest *guest = find_guest (message);

  return guest != NULL ? guest->socket : NULL;
}

/* -- listening -- */

static void listen_again (Leaf *leaf);

static gboolean
on_pause_over (gpointer data)
{
  listen_again (data);
  return G_SOURCE_REMOVE;
}

static gboolean
pause_leaf (Leaf *leaf)
{
  leaf->id = g_timeout_add (FULL_PAUSE_MS, on_pause_over, leaf);
  return G_SOURCE_REMOVE;
}

/* The room is full of such as have just come, and nobody has much of it: most of them will be
 * through in a moment, and until then the kernel keeps the next ones. */
static bool
is_full_of_newcomers (const FzDoor *self)
{
  const Guest *longest = fz_lobby_longest_if_full (self->lobby);

  return longest != NULL &&
         g_get_monotonic_time () - longest->since < (gint64) self->grace_ms * 1000;
}

static gboolean
on_connection (GSocket *listener, GIOCondition condition, gpointer data)
{
  Leaf *leaf = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = NULL;

  /* who is cut off needs his descriptor until libsoup has seen it */
  if (leaf->door->n_leaving >= FZ_DOOR_LEAVING_MAX)
    return pause_leaf (leaf);
  if (is_full_of_newcomers (leaf->door)) {
    leaf->door->n_pauses++;
    report_soon (leaf->door);
    return pause_leaf (leaf);
  }
  socket = g_socket_accept (listener, NULL, &error);
  if (socket != NULL) {
    let_in (leaf->door, socket);
    return G_SOURCE_CONTINUE;
  }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  /* no descriptor is left: until one is, the connection would wake us up again and again */
  return pause_leaf (leaf);
}

static void
listen_again (Leaf *leaf)
{
  g_autoptr (GSource) source = g_socket_create_source (leaf->socket, G_IO_IN, NULL);

  g_source_set_callback (source, G_SOURCE_FUNC (on_connection), leaf, NULL);
  leaf->id = g_source_attach (source, NULL);
}

bool
fz_door_open (FzDoor *self, GSocketAddress *address, GError **error)
{
  GSocketFamily family = g_socket_address_get_family (address);
  g_autoptr (GSocket) socket =
      g_socket_new (family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  Leaf *leaf;

  if (socket != NULL)
    g_socket_set_listen_backlog (socket, SOMAXCONN); /* GLib's own is 10 */
  if (socket == NULL ||
      (family == G_SOCKET_FAMILY_IPV6 &&
       !g_socket_set_option (socket, IPPROTO_IPV6, IPV6_V6ONLY, 1, error)) ||
      !g_socket_bind (socket, address, TRUE, error) || !g_socket_listen (socket, error))
    return false;
  g_socket_set_blocking (socket, FALSE);
  leaf = g_new0 (Leaf, 1);
  leaf->door = self;
  leaf->socket = g_steal_pointer (&socket);
  g_ptr_array_add (self->leaves, leaf);
  listen_again (leaf);
  return true;
}

GStrv
fz_door_uris (FzDoor *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; i < self->leaves->len; i++) {
    const Leaf *leaf = self->leaves->pdata[i];
    g_autoptr (GSocketAddress) address = g_socket_get_local_address (leaf->socket, NULL);
    GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (address);
    g_autofree char *host = g_inet_address_to_string (g_inet_socket_address_get_address (inet));
    g_autofree char *uri = g_uri_join (G_URI_FLAGS_NONE,
                                       self->certificate != NULL ? "https" : "http",
                                       NULL,
                                       host,
                                       g_inet_socket_address_get_port (inet),
                                       "/",
                                       NULL,
                                       NULL);

    g_strv_builder_add (builder, uri);
  }
  return g_strv_builder_end (builder);
}
