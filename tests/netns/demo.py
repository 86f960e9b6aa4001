#!/usr/bin/python3
"""make run: the whole system at work on this machine.

Portal, relay, gateway, a private web server and a client, each in a network namespace of its own.
Prints every step as it happens; ends with status 0 only if every step held.
"""

import argparse
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from bed import Bed, BedError, require_rights  # noqa: E402
from chain import PAGE, PORTAL_PORT, PRIVATE_V4, PRIVATE_V6, Chain  # noqa: E402
from desktop import Desktop, why_not  # noqa: E402
from door import Door  # noqa: E402

# on this machine's own loopback, while the demonstration stays up
SIGN_IN_PORT = 8400
PRIVATE_PAGE_PORT = 8401

PICTURE = """
   client ───┐                    ┌─── portal    who may reach what
             ├─── the internet ───┼─── relay     coturn: where am I seen from?
             │                    └─── gateway ──── web server 10.20.0.10 (private)
             └──── WireGuard ═══════════════╝
"""


class Steps:
    """Prints what happens, with the time it took."""

    def __init__(self):
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._started = time.monotonic()

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def title(self, text):
        print("\n" + self._paint("1", text), flush=True)

    def say(self, text):
        print(text, flush=True)

    def run(self, what, action, result=lambda value: ""):
        """Prints `what`, runs `action`, prints the time and what `result` makes of its value."""
        print(f"  {what:<58}", end="", flush=True)
        started = time.monotonic()
        try:
            value = action()
        except BaseException:
            print(self._paint("31", "FAILED"), flush=True)
            raise
        milliseconds = (time.monotonic() - started) * 1000
        note = result(value)
        print(f"{self._paint('32', 'ok')} {milliseconds:7.0f} ms  {note}", flush=True)
        return value

    def total(self):
        return time.monotonic() - self._started


def expect(condition, text):
    if not condition:
        raise BedError(text)


def gbits(report):
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


def set_up(steps, chain, door):
    """Returns e-mail and password of the person who signs in."""
    steps.title("The services")
    steps.run("portal: account and database made, server started", chain.start_portal)
    steps.run("relay: coturn answers binding requests", chain.start_relay)
    steps.run("private web server and iperf3 behind the gateway", chain.start_web)

    steps.title("What the administrator does")
    for what, action in chain.administration():
        steps.run(what, action)
    gateway_token = steps.run("token for the gateway", chain.make_gateway_token)
    person = steps.run("person 'Sam Poe' with a password", chain.add_person)

    steps.title("Gateway and client")
    steps.run("gateway: joined the portal, masquerading set up", lambda: chain.start_gateway(gateway_token))
    steps.run("sign-in page open on this machine", lambda: door.lead_to(chain.portal_host, "127.0.0.1", PORTAL_PORT),
              lambda _: door.url)
    token = steps.run("Sam signs in on the portal's page: token for the client", lambda: chain.sign_in(*person))
    steps.run("client: tunnel interface up", lambda: chain.start_client(token))
    return person


def show_policy(steps, chain):
    portal = chain.portal

    steps.title("Policy decides")
    page = steps.run("the first page: authorized, path found, handshake, answer", chain.fetch,
                     lambda value: f"“{value}”")
    expect(page == PAGE, "the private page did not arrive")
    expect(steps.run("the same over IPv6", lambda: chain.fetch(PRIVATE_V6)) == PAGE,
           "the private page did not arrive over IPv6")
    steps.run("policy removed: refused", lambda: (
        portal.command("policy", "remove", "--group", "engineers", "--resource", "web"),
        chain.wait_fetch(False)))
    steps.run("policy back: allowed again", lambda: (
        portal.command("policy", "add", "--group", "engineers", "--resource", "web"),
        chain.wait_fetch(True)))


def measure(steps, chain):
    steps.title("Speed (client and gateway, both programs and iperf3 on this one machine)")
    steps.run("TCP, one flow up", lambda: chain.iperf(), lambda r: f"{gbits(r):.2f} Gbit/s")
    steps.run("TCP, one flow down", lambda: chain.iperf("-R"), lambda r: f"{gbits(r):.2f} Gbit/s")
    steps.run("TCP, eight flows up", lambda: chain.iperf("-P", "8"), lambda r: f"{gbits(r):.2f} Gbit/s")
    steps.run("round trip, idle", chain.ping, lambda r: f"{r[1]:.2f} ms (best {r[0]:.2f})")
    for process in (chain.client, chain.gateway):
        steps.say(f"  {process.name}: {process.peak_resident_kb() / 1024:.1f} MB resident at most")


def open_app(steps, bed, chain, door, private_door, person):
    """The app on this desktop, if there is one; returns what has to be closed, or None."""
    reason = why_not(chain.build)
    steps.title("The app")
    if reason is not None:
        steps.say(f"  not opened: {reason}")
        return None
    desktop = Desktop(bed, chain, door.url)
    try:
        steps.run("tunnel service on a bus of its own; app opened", desktop.start)
        private_door.lead_to(desktop.host, PRIVATE_V4, 80)
    except BaseException:
        desktop.close()
        raise
    email, password = person
    steps.say(f"""
  Press "Sign in" in the app: e-mail {email}, password {password}
  Once it is connected, and only then, the private page is at {private_door.url}""")
    return desktop


def explain(steps, chain, door, person):
    enter = "ip netns exec"
    if os.environ.get("FZ_BED_UNSHARED"):
        enter = f"nsenter -t {os.getpid()} -U -m --preserve-credentials ip netns exec"
    elif os.geteuid() != 0:
        enter = "sudo " + enter
    client, portal = chain.client_host.netns, chain.portal
    manage = f"{enter} {portal.host.netns} {portal.program} --database {portal.database}"
    steps.title("It stays up. Try, in another terminal:")
    email, password = person
    steps.say(f"""
  # the sign-in page, in any browser on this machine
  {door.url}    e-mail {email}    password {password}

  # the private page, through the tunnel
  {enter} {client} curl http://{PRIVATE_V4}/
  {enter} {client} ping {PRIVATE_V4}

  # what the portal knows, and taking the right away and giving it back
  {manage} resource list
  {manage} policy remove --group engineers --resource web
  {manage} policy add --group engineers --resource web

  # who is signed in, and ending it
  {manage} token list
  {manage} token revoke ID

  # what client and gateway say
  jq -r '"\\(.time) \\(.severity) \\(.message)"' {chain.client.log_path}
  jq -r '"\\(.time) \\(.severity) \\(.message)"' {chain.gateway.log_path}

  Ctrl-C ends everything and leaves nothing behind.""")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="Meson's build folder")
    parser.add_argument("--once", action="store_true", help="end after the demonstration")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy the programs' logs there at the end")
    arguments = parser.parse_args()

    door = Door.open(SIGN_IN_PORT)
    private_door = Door.open(PRIVATE_PAGE_PORT)
    require_rights()
    steps = Steps()
    steps.title("Firezone in C: the whole system on this machine")
    steps.say(PICTURE)
    try:
        with Bed("demo", keep_logs=arguments.keep_logs) as bed:
            chain = Chain(bed, arguments.build)
            person = set_up(steps, chain, door)
            show_policy(steps, chain)
            measure(steps, chain)
            if arguments.once:
                steps.title(f"Every step held ({steps.total():.0f} s).")
                return 0
            desktop = open_app(steps, bed, chain, door, private_door, person)
            try:
                explain(steps, chain, door, person)
                signal.pause()
            finally:
                if desktop is not None:
                    desktop.close()
    except BedError as error:
        print(f"\nmake run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        steps.say("\nCleaned up.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
