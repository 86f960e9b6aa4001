/* bench-clients.h
 *
 * Clients of one gateway, as many as wanted, for bench-peers: each is no more
 * than a socket on a host of the simulator, its keys and its session. They
 * answer checks, nominate the direct way, shake hands and say a first word. The
 * gateway is the real engine with a lane, the relay is the simulator's.
 */
#pragma once

#include "tests/sim/fz-sim-relay.h"

#define BENCH_CLIENTS_CONNECT_NS (10 * FZ_MS) /* of each: no limit on handshakes is met */

/* Of the client with that number, here and in bench-peers. */
FzUuid bench_client_id (uint32_t number);
FzIp bench_client_ip (uint32_t number);

typedef struct BenchClients BenchClients;

BenchClients *bench_clients_new (uint32_t n);
void bench_clients_free (BenchClients *self);

/* As the portal would: the authorization, and the client's candidates. */
void bench_clients_authorize (BenchClients *self, uint32_t number);
void bench_clients_reject (BenchClients *self, uint32_t number);

/* The client finds its way to the gateway and shakes hands, once more if it has before. */
void bench_clients_connect (BenchClients *self, uint32_t number);
void bench_clients_run (BenchClients *self, uint64_t duration_ns);

/* From the resource behind the gateway; whether it arrived at once. */
bool bench_clients_send (BenchClients *self, uint32_t number);

uint32_t bench_clients_get_n_connected (const BenchClients *self);
uint64_t bench_clients_get_wakeups (const BenchClients *self); /* of the gateway */
