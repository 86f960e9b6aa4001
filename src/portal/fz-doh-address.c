/* fz-doh-address.c: see the header
 *
 * GIO takes the name that a certificate must bear from a GNetworkAddress, so
 * this is one, with another way to enumerate.
 */

#include "src/portal/fz-doh-address.h"

/* -- the walk over the addresses -- */

#define FZ_TYPE_DOH_ENUMERATOR (fz_doh_enumerator_get_type ())
G_DECLARE_FINAL_TYPE (
    FzDohEnumerator, fz_doh_enumerator, FZ, DOH_ENUMERATOR, GSocketAddressEnumerator)

struct _FzDohEnumerator {
  GSocketAddressEnumerator parent;
  GPtrArray *addresses; /* of GSocketAddress */
  guint next;
};

G_DEFINE_FINAL_TYPE (FzDohEnumerator, fz_doh_enumerator, G_TYPE_SOCKET_ADDRESS_ENUMERATOR)

static GSocketAddress *
fz_doh_enumerator_next (GSocketAddressEnumerator *enumerator,
                        GCancellable *cancellable,
                        GError **error)
{
  FzDohEnumerator *self = FZ_DOH_ENUMERATOR (enumerator);

  return self->next < self->addresses->len ? g_object_ref (self->addresses->pdata[self->next++])
                                           : NULL;
}

static void
fz_doh_enumerator_finalize (GObject *object)
{
  g_ptr_array_unref (FZ_DOH_ENUMERATOR (object)->addresses);
  G_OBJECT_CLASS (fz_doh_enumerator_parent_class)->finalize (object);
}

static void
fz_doh_enumerator_class_init (FzDohEnumeratorClass *class)
{
  G_SOCKET_ADDRESS_ENUMERATOR_CLASS (class)->next = fz_doh_enumerator_next;
  G_OBJECT_CLASS (class)->finalize = fz_doh_enumerator_finalize;
}

static void
fz_doh_enumerator_init (FzDohEnumerator *self)
{
}

/* -- the address -- */

#define FZ_TYPE_DOH_ADDRESS (fz_doh_address_get_type ())
G_DECLARE_FINAL_TYPE (FzDohAddress, fz_doh_address, FZ, DOH_ADDRESS, GNetworkAddress)

struct _FzDohAddress {
  GNetworkAddress parent;
  GPtrArray *addresses; /* of GSocketAddress */
};

static GSocketAddressEnumerator *
enumerate (GSocketConnectable *connectable)
{
  FzDohEnumerator *enumerator = g_object_new (FZ_TYPE_DOH_ENUMERATOR, NULL);

  enumerator->addresses = g_ptr_array_ref (FZ_DOH_ADDRESS (connectable)->addresses);
  return G_SOCKET_ADDRESS_ENUMERATOR (enumerator);
}

static void
init_connectable (GSocketConnectableIface *iface)
{
  iface->enumerate = enumerate;
  iface->proxy_enumerate = enumerate;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FzDohAddress,
                               fz_doh_address,
                               G_TYPE_NETWORK_ADDRESS,
                               G_IMPLEMENT_INTERFACE (G_TYPE_SOCKET_CONNECTABLE, init_connectable))

static void
fz_doh_address_finalize (GObject *object)
{
  g_ptr_array_unref (FZ_DOH_ADDRESS (object)->addresses);
  G_OBJECT_CLASS (fz_doh_address_parent_class)->finalize (object);
}

static void
fz_doh_address_class_init (FzDohAddressClass *class)
{
  G_OBJECT_CLASS (class)->finalize = fz_doh_address_finalize;
}

static void
fz_doh_address_init (FzDohAddress *self)
{
  self->addresses = g_ptr_array_new_with_free_func (g_object_unref);
}

GSocketConnectable *
fz_doh_address_new (const char *host, uint16_t port, const FzIp *ips, size_t n_ips)
{
  FzDohAddress *self =
      g_object_new (FZ_TYPE_DOH_ADDRESS, "hostname", host, "port", (guint) port, NULL);

  for (size_t i = 0; i < n_ips; i++) {
    g_autoptr (GInetAddress) address = g_inet_address_new_from_bytes (
        ips[i].bytes, ips[i].family == FZ_IP_V4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);

    g_ptr_array_add (self->addresses, g_inet_socket_address_new (address, port));
  }
  return G_SOCKET_CONNECTABLE (self);
}
