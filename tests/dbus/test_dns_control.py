#!/usr/bin/python3
"""Every way of setting a machine's DNS × every thing that may happen to it, with the real programs.

The table at the end says what was covered. A cell is green only if a private name, asked for as any
program asks, was answered through the tunnel and by nobody else (or, after the end, no more), and if
what returned is what was: kind of file, bytes, mode, owner.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest

import dnsbed
from dnsbed import (Agent, Bus, Driver, Tun, Upstream, call, package, resolv_text, run, snapshot, wait_until, who_answers, who_answers_at_all,
                    write_resolv, ORIGINAL, RESOLV, SENTINELS, TUN, UPSTREAMS)

EVENTS = ["set", "lease", "overwritten", "restart", "link", "resume", "clear", "stop", "kill -9"]
TABLE = {}  # set-up -> {event: what was seen}
USER = 61991


class Plain:
    """Somebody's file, nobody's program."""

    name = "plain file"
    needs = []
    mode = "etc-resolv-conf"
    uid = 0

    def start(self, upstream):
        upstream.plug()
        dnsbed.write(RESOLV, ORIGINAL)
        os.chmod(RESOLV, 0o640)

    def lease(self, server):
        write_resolv(f"nameserver {server}\n")

    def overwrite(self):
        write_resolv("nameserver 192.0.2.54\n")

    restart = None

    def stop(self):
        os.unlink(RESOLV)


class Link(Plain):
    """The file is a link to one that something else keeps."""

    name = "link to a file"

    def start(self, upstream):
        upstream.plug()
        self.lease(UPSTREAMS[0])
        os.symlink("../run/lease.conf", RESOLV)

    def lease(self, server):
        dnsbed.write("/run/lease.conf", f"nameserver {server}\n")


class Mounted(Plain):
    """As in a container: the file is a mount, it cannot be replaced."""

    name = "bind mount"

    def start(self, upstream):
        super().start(upstream)
        shutil.move(RESOLV, "/run/mounted.conf")
        dnsbed.write(RESOLV, "")
        run("mount", "--bind", "/run/mounted.conf", RESOLV)

    def lease(self, server):
        dnsbed.write(RESOLV, f"nameserver {server}\n")

    def overwrite(self):
        self.lease(UPSTREAMS[1])

    def stop(self):
        run("umount", RESOLV)
        os.unlink(RESOLV)


class Lent(Plain):
    """The service may not write below /etc: firezone-client-resolv does it."""

    name = "lent to a user"
    uid = USER

    def start(self, upstream):
        super().start(upstream)
        os.chmod(RESOLV, 0o644)
        self.agent = Agent(USER)

    def restart(self):
        self.agent.kill()

    def stop(self):
        self.agent.close()
        super().stop()


class Resolved:
    """systemd-resolved behind its stub."""

    name = "systemd-resolved"
    needs = ["systemd-resolved"]
    mode = "systemd-resolved"
    uid = 0
    NAME, PATH = "org.freedesktop.resolve1", "/org/freedesktop/resolve1"

    def start(self, upstream):
        upstream.plug()
        os.makedirs("/etc/systemd", exist_ok=True)
        with open("/etc/systemd/resolved.conf", "w", encoding="utf-8") as file:
            file.write("[Resolve]\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\nFallbackDNS=\nCache=no\n")
        self.bus = Bus()
        self.run_service()
        self.lease(UPSTREAMS[0])
        self.link_file()

    def link_file(self):
        os.symlink("../run/systemd/resolve/stub-resolv.conf", RESOLV)

    def run_service(self):
        self.service = subprocess.Popen([package("systemd-resolved") + "/lib/systemd/systemd-resolved"],
                                        stderr=subprocess.DEVNULL)
        run("gdbus", "wait", "--system", "--timeout", "100", self.NAME)

    def manager(self, method, *args):
        return call(self.NAME, self.PATH, f"{self.NAME}.Manager.{method}", *args)

    def set_link(self, link, server):
        number = socket.if_nametoindex(link)
        wait_until(lambda: subprocess.run(
            ["busctl", "--system", "call", self.NAME, self.PATH, f"{self.NAME}.Manager", "SetLinkDNS", "ia(iay)",
             str(number), "1", "2", "4", *server.split(".")], capture_output=True).returncode == 0, "the link")
        return number

    def lease(self, server):
        self.set_link("eth9", server)

    def overwrite(self):
        self.set_link(TUN, UPSTREAMS[1])

    def restart(self):
        self.service.terminate()
        self.service.wait()
        kept = f"/run/systemd/resolve/netif/{socket.if_nametoindex(TUN)}"
        if os.path.exists(kept):
            os.unlink(kept)  # it remembers links over a restart; this one it shall have forgotten
        self.run_service()

    def stop(self):
        self.service.terminate()
        self.service.wait()
        self.bus.close()
        shutil.rmtree("/run/systemd/resolve")
        os.makedirs("/run/systemd/resolve")
        shutil.chown("/run/systemd/resolve", 61990, 61990)
        os.unlink(RESOLV)


class ResolvedUplink(Resolved):
    """resolv.conf lists the servers behind systemd-resolved: programs do not ask it, and it would take for the
    system's servers whatever is put there instead."""

    def link_file(self):
        os.symlink("../run/systemd/resolve/resolv.conf", RESOLV)


class NetworkManager:
    """NetworkManager writes the file."""

    name = "NetworkManager"
    needs = ["network-manager", "libnm0", "libndp0", "libteamdctl0"]
    mode = "networkmanager"
    uid = 0
    manager = "file"
    NAME = "org.freedesktop.NetworkManager"

    def start(self, upstream):
        run("ip", "address", "flush", "dev", "eth9")
        root = package("network-manager")
        libraries = ":".join(package(p) + "/usr/lib/" + os.uname().machine + "-linux-gnu"
                             for p in ("libnm0", "libndp0", "libteamdctl0"))
        self.environment = {**os.environ, "LD_LIBRARY_PATH": libraries,
                            "PATH": f"{root}/usr/bin:{root}/usr/sbin:" + os.environ["PATH"]}
        os.makedirs("/run/nm/connections", exist_ok=True)
        with open("/run/nm/nm.conf", "w", encoding="utf-8") as file:
            file.write("[main]\nplugins=keyfile\ndns=default\nno-auto-default=*\nauth-polkit=root-only\n"
                       f"rc-manager={self.manager}\n[keyfile]\npath=/run/nm/connections\n")
        self.write_profile(UPSTREAMS[0])
        dnsbed.write(RESOLV, "# empty\n")
        self.link_file()
        self.bus = Bus()
        self.run_service()
        self.manage("connection", "up", "eth9")
        wait_until(lambda: UPSTREAMS[0] in resolv_text(), "NetworkManager's file")

    def link_file(self):
        pass

    def write_profile(self, server):
        path = "/run/nm/connections/eth9.nmconnection"
        with open(path, "w", encoding="utf-8") as file:
            file.write("[connection]\nid=eth9\nuuid=11111111-1111-1111-1111-111111111111\ntype=ethernet\n"
                       "interface-name=eth9\n[ipv4]\nmethod=manual\naddress1=192.0.2.10/24\n"
                       f"dns={server};\n[ipv6]\nmethod=disabled\n")
        os.chmod(path, 0o600)

    def manage(self, *words):
        """By nmcli, until NetworkManager is ready for it."""
        wait_until(lambda: subprocess.run(["nmcli", "--wait", "100", *words], env=self.environment, capture_output=True).returncode == 0,
                   f"nmcli {' '.join(words)}")

    def run_service(self):
        self.service = subprocess.Popen(
            [package("network-manager") + "/usr/sbin/NetworkManager", "--no-daemon", "--config=/run/nm/nm.conf",
             "--config-dir=/nonexistent", "--system-config-dir=/nonexistent", "--state-file=/run/nm/state"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("gdbus", "wait", "--system", "--timeout", "100", self.NAME)
        self.manage("device", "show", "eth9")

    def lease(self, server):
        self.manage("connection", "modify", "eth9", "ipv4.dns", server)
        self.manage("device", "reapply", "eth9")

    def overwrite(self):
        """Another program writes NetworkManager's file, as it would itself."""
        dnsbed.write(RESOLV, "# Generated by NetworkManager\nnameserver 192.0.2.54\n")

    def restart(self):
        self.service.terminate()
        self.service.wait()
        self.run_service()

    def stop(self):
        self.service.terminate()
        self.service.wait()
        self.bus.close()
        shutil.rmtree("/run/nm")
        shutil.rmtree("/run/NetworkManager")
        os.makedirs("/run/NetworkManager")
        os.unlink(RESOLV)


class NetworkManagerLink(NetworkManager):
    """NetworkManager writes below /run, resolv.conf is a link to it."""

    name = "NetworkManager, link"
    manager = "symlink"

    def link_file(self):
        os.unlink(RESOLV)
        os.symlink("/run/NetworkManager/resolv.conf", RESOLV)


class Openresolv:
    """resolvconf, the one by Roy Marples."""

    name = "openresolv"
    needs = ["openresolv"]
    mode = "resolvconf"
    uid = 0
    restart = None

    def start(self, upstream):
        upstream.plug()
        root = package("openresolv")
        shutil.copy(f"{root}/sbin/resolvconf", "/usr/sbin/resolvconf")
        shutil.copytree(f"{root}/lib/resolvconf", "/usr/lib/resolvconf")
        shutil.copy(f"{root}/etc/resolvconf.conf", "/etc/resolvconf.conf")
        dnsbed.write(RESOLV, "# Generated by resolvconf\n")
        self.lease(UPSTREAMS[0])

    def lease(self, server):
        run("/usr/sbin/resolvconf", "-a", "eth9.dhcp", input=f"nameserver {server}\n")
        run("/usr/sbin/resolvconf", "-u")

    def overwrite(self):
        write_resolv("# Generated by resolvconf\nnameserver 192.0.2.54\n")

    def stop(self):
        os.unlink("/usr/sbin/resolvconf")
        shutil.rmtree("/usr/lib/resolvconf")
        shutil.rmtree("/run/resolvconf")
        os.makedirs("/run/resolvconf")
        os.unlink("/etc/resolvconf.conf")
        os.unlink(RESOLV)


class DebianResolvconf(Openresolv):
    """resolvconf, Debian's own: it knows no exclusive records, so its link is taken instead."""

    name = "Debian resolvconf"
    needs = ["resolvconf"]
    mode = "etc-resolv-conf"

    def start(self, upstream):
        upstream.plug()
        root = package("resolvconf")
        shutil.copy(f"{root}/sbin/resolvconf", "/usr/sbin/resolvconf")
        shutil.copytree(f"{root}/lib/resolvconf", "/usr/lib/resolvconf")
        shutil.copytree(f"{root}/etc/resolvconf", "/etc/resolvconf")
        os.makedirs("/run/resolvconf/interface")
        run("/usr/sbin/resolvconf", "--enable-updates")
        os.symlink("/run/resolvconf/resolv.conf", RESOLV)
        self.lease(UPSTREAMS[0])

    def lease(self, server):
        run("/usr/sbin/resolvconf", "-a", "eth9.dhcp", input=f"nameserver {server}\n")

    def overwrite(self):
        write_resolv("nameserver 192.0.2.54\n")

    def stop(self):
        shutil.rmtree("/etc/resolvconf")
        dnsbed.write("/etc/resolvconf.conf", "")
        super().stop()


def skip_without(test, setup):
    missing = [name for name in setup.needs if not os.path.isdir(package(name))]
    if missing:
        test.skipTest(f"not downloaded: {', '.join(missing)}")


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        dnsbed.remove_resolv()
        cls.upstream = Upstream()

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()

    # -- pieces --

    def begin(self, setup):
        self.setup = setup
        skip_without(self, setup)
        self.row = TABLE.setdefault(setup.name, {})
        setup.start(self.upstream)
        self.addCleanup(setup.stop)
        self.tun = Tun()
        self.addCleanup(lambda: self.tun.close())
        self.driver = None
        self.addCleanup(lambda: self.driver and self.driver.process.poll() is None and self.driver.kill())

    def connect(self):
        self.driver = Driver(uid=self.setup.uid)
        self.driver.set()
        self.driver.wait_state("active")

    def assert_ours(self, event):
        wait_until(lambda: who_answers(self.upstream) == "ours",
                   lambda: f"our answers after: {event}; now {who_answers(self.upstream)}; {self.driver.last}; "
                   f"resolv.conf: {resolv_text()!r}")
        for _ in range(3):
            self.assertEqual(who_answers_at_all(self.upstream), "ours")
        self.driver.wait_state("active")
        self.row[event] = "ours"

    def assert_returned(self, event, original):
        wait_until(lambda: snapshot() == original, lambda: f"the original after: {event}; now {snapshot()}, was {original}")
        wait_until(lambda: who_answers() == "upstream", lambda: f"the upstream's answers after: {event}; {resolv_text()!r}")
        left = [name for name in os.listdir("/etc") if "firezone" in name]
        self.assertEqual(left, [])
        self.row[event] = "back"

    def renew_tun(self):
        self.tun.close()
        wait_until(lambda: not os.path.exists(f"/proc/sys/net/ipv4/conf/{TUN}"), "the device's end")
        self.tun = Tun()

    # -- the events, in an order in which one leaves what the next needs --

    def events(self, setup):
        self.begin(setup)
        original = snapshot()
        self.assertEqual(who_answers_at_all(), "upstream")

        self.connect()
        self.assertEqual(self.driver.last["mode"], setup.mode)
        self.driver.wait_upstreams(UPSTREAMS[0])
        self.assert_ours("set")
        self.driver.say("check")  # what a resume does
        self.assert_ours("resume")
        if setup.restart is not None:
            setup.restart()
            self.assert_ours("restart")
        self.renew_tun()
        self.driver.set()
        self.driver.say("check")
        self.assert_ours("link")

        self.driver.say("clear")
        self.driver.wait_state("idle")
        self.assert_returned("clear", original)
        self.driver.set()
        self.driver.wait_state("active")
        self.driver.quit()
        self.assert_returned("stop", original)

        self.connect()
        self.assert_ours("set")
        self.driver.kill()
        self.tun.close()  # the kernel does this for a process that is killed
        self.tun = Tun()
        if setup.mode in ("etc-resolv-conf", "resolvconf") and setup.uid == 0:
            self.driver = Driver(uid=setup.uid)  # the next start, of anything that restores
            self.driver.wait_upstreams(UPSTREAMS[0])
            self.driver.quit()
        self.assert_returned("kill -9", original)

        self.connect()
        setup.lease(UPSTREAMS[1])
        self.driver.wait_upstreams(UPSTREAMS[1])
        self.assert_ours("lease")
        setup.lease(UPSTREAMS[0])
        self.driver.wait_upstreams(UPSTREAMS[0])
        self.assert_ours("lease")
        setup.overwrite()
        self.assert_ours("overwritten")
        self.driver.quit()
        self.assertNotIn(SENTINELS[0], resolv_text())

    def test_plain_file(self):
        self.events(Plain())

    def test_link(self):
        self.events(Link())

    def test_bind_mount(self):
        self.events(Mounted())

    def test_lent_to_a_user(self):
        self.events(Lent())

    def test_resolved(self):
        self.events(Resolved())

    def test_network_manager(self):
        self.events(NetworkManager())

    def test_network_manager_link(self):
        self.events(NetworkManagerLink())

    def test_openresolv(self):
        self.events(Openresolv())

    def test_debian_resolvconf(self):
        self.events(DebianResolvconf())


class More(unittest.TestCase):
    """What the table has no column for."""

    @classmethod
    def setUpClass(cls):
        dnsbed.remove_resolv()
        cls.upstream = Upstream()

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()

    def test_restore_without_anybody(self):
        """`firezone-client-resolv --restore` undoes what a killed process left, as root, alone."""
        setup = Plain()
        setup.start(self.upstream)
        self.addCleanup(setup.stop)
        original = snapshot()
        tun = Tun()
        self.addCleanup(tun.close)
        driver = Driver("etc-resolv-conf")
        driver.set()
        driver.wait_state("active")
        driver.kill()
        self.assertNotEqual(snapshot(), original)
        run(f"{dnsbed.BUILD}/platform/linux/firezone-client-resolv", "--restore")
        self.assertEqual(snapshot(), original)
        run(f"{dnsbed.BUILD}/platform/linux/firezone-client-resolv", "--restore")
        self.assertEqual(snapshot(), original)

    def test_resolved_uplink(self):
        """Nothing that would work: nothing is touched, and it says what to do."""
        setup = ResolvedUplink()
        skip_without(self, setup)
        setup.start(self.upstream)
        self.addCleanup(setup.stop)
        original = snapshot()
        tun = Tun()
        self.addCleanup(tun.close)
        driver = Driver()
        self.addCleanup(driver.kill)
        driver.set()
        driver.wait_state("degraded")
        wait_until(lambda: driver.count("failed") == 1, "its reason")
        self.assertIn("stub-resolv.conf", [e["text"] for e in driver.events if e["event"] == "failed"][0])
        self.assertEqual(who_answers_at_all(), "upstream")
        self.assertEqual(snapshot(), original)
        # it is followed
        os.unlink(RESOLV)
        os.symlink("../run/systemd/resolve/stub-resolv.conf", RESOLV)
        driver.wait_state("active")
        self.assertEqual(who_answers_at_all(self.upstream), "ours")

    def test_lender_refuses(self):
        """Whatever the service might be made to ask: nothing but sentinels, nothing but one line."""
        setup = Lent()
        setup.start(self.upstream)
        self.addCleanup(setup.stop)
        original = snapshot()
        for line in (b"set etc-resolv-conf - 192.0.2.66\n", b"set etc-resolv-conf ../../x 100.100.111.1\n",
                     b"set file - 100.100.111.1\n", b"exec reboot\n", b"\n", b"\0\0\0\n"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(Agent.PATH)
                client.sendall(line)
                self.assertTrue(client.recv(1000).startswith(b"failed "), line)
            self.assertEqual(snapshot(), original)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(Agent.PATH)
            client.sendall(b"x" * 5000)  # no end of line in sight: it hangs up
            try:
                self.assertEqual(client.recv(1000), b"")
            except ConnectionResetError:
                pass
        self.assertEqual(snapshot(), original)

    def test_lender_is_for_one_user(self):
        setup = Lent()
        setup.start(self.upstream)
        self.addCleanup(setup.stop)
        tun = Tun()
        self.addCleanup(tun.close)
        driver = Driver(uid=USER + 1)
        self.addCleanup(driver.kill)
        driver.set()
        driver.wait_state("degraded")
        wait_until(lambda: driver.count("failed"), "its reason")
        self.assertIn("firezone-client-resolv", [e["text"] for e in driver.events if e["event"] == "failed"][0])

    def test_probe(self):
        setup = Plain()
        setup.start(self.upstream)
        self.addCleanup(setup.stop)
        tun = Tun()
        self.addCleanup(tun.close)
        driver = Driver()
        self.addCleanup(driver.kill)
        driver.set()
        driver.wait_state("active")
        driver.say("probe known.corp.example")
        wait_until(lambda: driver.count("probed") == 1, "the first probe")
        self.assertEqual([e["text"] for e in driver.events if e["event"] == "probed"], [""])
        run("ip", "route", "replace", "blackhole", "100.100.111.0/24")
        self.addCleanup(lambda: subprocess.run(["ip", "route", "del", "blackhole", "100.100.111.0/24"],
                                               capture_output=True))
        driver.say("probe silent.corp.example")
        driver.wait_state("degraded")
        wait_until(lambda: driver.count("failed") == 1, "its failure")
        run("ip", "route", "del", "blackhole", "100.100.111.0/24")
        run("ip", "route", "replace", "100.100.111.0/24", "dev", TUN)
        driver.say("probe known.corp.example")
        driver.wait_state("active")
        wait_until(lambda: driver.count("recovered") == 1, "its recovery")


def print_table():
    width = max([len(name) for name in TABLE] + [6])
    print("\n" + "set-up".ljust(width) + "".join(event.rjust(13) for event in EVENTS))
    for name, row in TABLE.items():
        print(name.ljust(width) + "".join(row.get(event, "–").rjust(13) for event in EVENTS))
    print(f"{sum(len(row) for row in TABLE.values())} of {len(TABLE) * len(EVENTS)} cells", flush=True)


if __name__ == "__main__":
    dnsbed.enter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    program = unittest.main(exit=False, verbosity=2)
    print_table()
    sys.exit(0 if program.result.wasSuccessful() else 1)
