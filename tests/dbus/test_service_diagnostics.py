#!/usr/bin/python3
"""The real service: samples, logs, metrics, self-test and export; what they hold, and never tell.

Usage: test_service_diagnostics.py [CLASS[.METHOD] …]
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "netns"))
import bus  # noqa: E402
import exposition  # noqa: E402
from service_case import ServiceTest  # noqa: E402


class Diagnostics(ServiceTest):
    def test_samples(self):
        number = self.alice.call("Diagnostics.Subscribe", "(uint32 100,)")
        first = self.alice.wait_signal("Sample")["arguments"]
        second = self.alice.wait_signal("Sample")["arguments"]
        self.assertGreater(second[0], first[0])
        self.alice.call("Diagnostics.Unsubscribe", f"(uint32 {number},)")

    def test_open_log(self):
        log = self.alice.call("Diagnostics.OpenLog", "(@a{sv} {},)")
        log = log[0] if isinstance(log, (list, tuple)) else log
        self.assertTrue(log["is_read_only"])
        first = json.loads(log["text"].splitlines()[0])
        self.assertIn("time", first)
        self.assertIn("severity", first)
        modes = {name: os.stat(os.path.join(self.place.logs, name)).st_mode & 0o777
                 for name in os.listdir(self.place.logs) if name.endswith(".log")}
        self.assertEqual(set(modes.values()), {0o640}, modes)

    def read_log(self, caller):
        log = caller.call("Diagnostics.OpenLog", "(@a{sv} {},)")
        return (log[0] if isinstance(log, (list, tuple)) else log)["text"]

    def test_a_log_is_of_one_owner(self):
        bob = self.caller("bob")
        self.place.sign_in(self.alice, self.make_token()["token"])
        marker = f'"owner":{self.alice.uid}'
        bus.wait_until(lambda: marker in self.read_log(self.alice), "her sign-in in her log")
        self.alice.call("Manager.ClearCredential")
        self.assertIn(marker, self.read_log(self.alice))  # why did it end?
        self.assert_error("NotAuthorized", self.read_log, bob)
        self.assert_error("NotAuthorized", bob.call, "Diagnostics.Export", "(handle 0, @a{sv} {})", fd="write:/dev/null")

        self.place.sign_in(bob, self.make_token()["token"])
        try:
            self.assertNotIn(marker, self.read_log(bob))
            bus.wait_until(lambda: f'"uid":{bob.uid}' in self.read_log(bob), "a call of Bob's in his log")
            self.assert_error("NotAuthorized", self.read_log, self.alice)
        finally:
            bob.call("Manager.ClearCredential")
            self.place.sign_in(self.alice, self.make_token()["token"])

    @staticmethod
    def lines_of(text):
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    @staticmethod
    def says_credential(text, owner):
        return any('"event":"credential-set"' in line and f'"owner":{owner.uid}' in line for line in text.splitlines())

    def test_the_end_of_a_session_is_its_owners(self):
        """Bob takes over while Alice's tunnel stands: what it says on its way out is in her log, not in his."""
        bob = self.caller("bob")
        self.connect()
        address = self.alice.get("Addresses")[0]
        bus.wait_until(lambda: address in self.place.all_logs(), "the tunnel in the log")
        self.place.bus.polkit.allow("take-over", user="bob")
        try:
            self.place.sign_in(bob, self.make_token()["token"], actor="<'Bob'>", account="<'other'>")
            self.read_log(bob)  # his at once, though her session has yet to end
            self.place.wait_state(bob, "offline")
            bus.wait_until(lambda: f'"uid":{bob.uid}' in self.read_log(bob), "a call of Bob's in his log")
            bus.wait_until(lambda: self.says_credential(self.read_log(bob), bob), "his credential in his log")
            targets = {line["target"] for line in self.lines_of(self.read_log(bob))}
            self.assertLessEqual(targets, {"helper", "control", "ipc"})
            self.assertNotIn(address, self.read_log(bob))

            exported = self.export(bob)
            self.assertTrue([name for name in exported if f".uid-{bob.uid}.log" in name], exported.keys())
            self.assertFalse([name for name in exported if f".uid-{self.alice.uid}.log" in name], exported.keys())
            for name, text in exported.items():
                self.assertNotIn(f'"owner":{self.alice.uid}', text, name)
                self.assertNotIn("Lovelace", text, name)
                self.assertNotIn("intranet", text, name)

            both = {f".uid-{self.alice.uid}.log", f".uid-{bob.uid}.log"}
            self.assertEqual(both, {end for end in both for name in self.export(self.caller("root")) if end in name})
        finally:
            self.place.bus.polkit.set("take-over", "no", "bob")
            bob.call("Manager.ClearCredential")
            self.place.sign_in(self.alice, self.make_token()["token"])
        own = self.export(self.alice)
        self.assertTrue([name for name in own if f".uid-{self.alice.uid}.log" in name], own.keys())
        self.assertFalse([name for name in own if f".uid-{bob.uid}.log" in name], own.keys())
        self.assertNotIn(f'"owner":{bob.uid}', "".join(own.values()), "what Bob has signed in with is his affair")

    def test_an_earlier_run_is_its_owners_too(self):
        """After a restart nobody is signed in: Bob may export, but not what Alice's days were like."""
        bob = self.caller("bob")
        self.connect()
        self.alice.call("Manager.ClearCredential")
        self.place.wait_state(self.alice, "signed-out")
        self.place.stop()
        self.place.start()
        exported = self.export(bob)
        self.assertTrue([name for name in exported if ".log" in name], exported.keys())
        self.assertFalse([name for name in exported if f".uid-{self.alice.uid}.log" in name], exported.keys())
        self.assertNotIn(f'"owner":{self.alice.uid}', "".join(exported.values()))
        self.assertIn(f".uid-{self.alice.uid}.log", " ".join(self.export(self.alice)))

        # Whoever may see others' logs gets them all.
        self.place.sign_in(self.alice, self.make_token()["token"])
        self.place.bus.polkit.allow("diagnostics-other", user="bob")
        try:
            self.assertIn(f".uid-{self.alice.uid}.log", " ".join(self.export(bob)))
        finally:
            self.place.bus.polkit.set("diagnostics-other", "no", "bob")

    def test_a_session_that_goes_on_is_its_owners(self):
        """A killed service goes on where it was: from its first line on in the owner's log."""
        self.connect()
        address = self.alice.get("Addresses")[0]
        self.place.stop(signal.SIGKILL)
        self.place.start()
        self.place.wait_state(self.alice, "connected")
        bus.wait_until(lambda: address in self.read_log(self.alice), "the tunnel in Alice's log")
        for name in os.listdir(self.place.logs):
            if ".uid-" not in name and not name.endswith(".latest"):
                with open(os.path.join(self.place.logs, name), encoding="utf-8") as file:
                    self.assertNotIn(address, file.read(), name)

    def test_log_filter(self):
        root = self.caller("root")
        root.call("Diagnostics.SetLogFilter", "('warn,portal=trace',)")
        self.assertEqual(root.get("LogFilter"), "warn,portal=trace")
        message = self.assert_error("InvalidArgument", root.call, "Diagnostics.SetLogFilter", "('info,=x',)")
        self.assertIn("=x", message)
        self.assertEqual(root.get("LogFilter"), "warn,portal=trace")
        root.call("Diagnostics.SetLogFilter", "('',)")
        self.assertEqual(root.get("LogFilter"), "debug")  # RUST_LOG's

    def test_metrics(self):
        self.assertEqual(self.alice.call("Diagnostics.Metrics"), {})
        self.connect()
        counters = bus.wait_until(lambda: self.alice.call("Diagnostics.Metrics"), "counters")
        self.assertTrue(all(isinstance(value, int) for value in counters.values()), counters)

    def test_exposition(self):
        """Valid with and without a tunnel."""
        self.assertIn("process_cpu_seconds_total", exposition.check(self.alice.call("Diagnostics.Exposition")))
        self.connect()
        families = bus.wait_until(
            lambda: (lambda all: all if "firezone_peers" in all else None)(
                exposition.check(self.alice.call("Diagnostics.Exposition"))), "the tunnel's metrics")
        self.assertIn("firezone_lane_drops_total", families)

    def test_self_test(self):
        rows = {name: (holds, advice) for name, holds, advice in self.alice.call("Diagnostics.SelfTest")}
        self.assertFalse(rows["signed-in"][0])
        self.assertIn("sign in", rows["signed-in"][1])
        self.connect()
        told = []

        def problems():
            told[:] = [(name, advice) for name, holds, advice in self.alice.call("Diagnostics.SelfTest") if not holds]
            return told
        bus.wait_until(lambda: not problems(), "a tunnel without a problem")  # DNS comes a little after the connection
        self.assertLessEqual({"rights", "device", "udp", "portal", "clock", "signed-in", "tunnel", "dns", "configuration", "log"},
                             {name for name, _, _ in self.alice.call("Diagnostics.SelfTest")})

        self.place.portal.stop()
        bus.wait_until(lambda: any(name == "portal" and "does not answer" in advice for name, advice in problems()),
                       "the portal missed")

    def test_export(self):
        self.connect()
        target = os.path.join(self.place.folder, "export.tar.gz")
        self.alice.call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:/tmp/{os.path.basename(self.place.folder)}.tar.gz")
        os.rename(f"/tmp/{os.path.basename(self.place.folder)}.tar.gz", target)
        with tarfile.open(target) as archive:
            names = [os.path.basename(name) for name in archive.getnames()]
            texts = "\n".join(archive.extractfile(member).read().decode(errors="replace")
                              for member in archive if member.isfile())
        self.assertIn("state.txt", names)
        self.assertIn("counters.txt", names)
        self.assertTrue(any(name.startswith("tunnel-service.") for name in names), names)
        self.assertIn("State: connected", texts)
        self.assertNotIn("Ada Lovelace", texts)
        self.assert_error("InvalidArgument", self.alice.call, "Diagnostics.Export", "(handle 0, @a{sv} {})",
                          fd="file:/etc/hostname")

    def count_descriptors(self):
        return len(os.listdir(f"/proc/{self.place.process.pid}/fd"))

    def test_descriptors_that_are_no_good(self):
        """Each is refused in words, nothing waits for it, and none is kept."""
        disk = os.path.join(self.place.folder, "small-disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        with open(os.path.join(disk, "filler"), "wb") as file:
            file.write(bytes(4096))
        targets = {"file:/etc/hostname": "not open for writing", "path:/etc/hostname": "not open for writing",
                   "file:/tmp": "not open for writing", "path:/tmp": "not open for writing",
                   "pipe": "not open for writing", "device:/dev/full": "neither a file", "device:/dev/null": "neither",
                   "dead-pipe": "Broken pipe", "dead-socket": "Broken pipe", "lonely-socket": "not connected",
                   f"write:{disk}/export": "No space left", "sealed:x": "not permitted"}
        self.connect()
        self.alice.call("Manager.Disconnect", "(@a{sv} {},)")  # nothing comes and goes by itself
        self.place.wait_state(self.alice, "offline")
        self.alice.call("Diagnostics.OpenLog", "(@a{sv} {},)")
        before = self.count_descriptors()
        for spec, said in targets.items():
            with self.subTest(spec):
                words = self.assert_error("InvalidArgument", self.alice.call, "Diagnostics.Export",
                                          "(handle 0, @a{sv} {})", fd=spec)
                self.assertIn(said, words)
        for spec in (*targets, "socket", "full-pipe"):
            if spec != "sealed:x":
                with self.subTest(credential=spec):
                    self.assert_error("InvalidArgument", self.alice.call, "Manager.SetCredential",
                                      "(handle 0, @a{sv} {})", fd=spec)
        # Methods that were not asked to take one.
        self.alice.call("Diagnostics.OpenLog", "(@a{sv} {},)", fd="socket")
        self.alice.call("Manager.Disconnect", "(@a{sv} {},)", fd="dead-pipe")
        self.alice.get("State")
        bus.wait_until(lambda: self.count_descriptors() <= before, "all descriptors to be closed")
        self.assertEqual(self.alice.get("State"), "offline")

    def test_an_export_into_a_socket(self):
        """Of a kind that the service could wait for; when its reader goes, the export fails."""
        before = self.count_descriptors()
        stuck = self.caller("alice")
        stuck.begin("Diagnostics.Export", "(handle 0, @a{sv} {})", fd="socket").result()
        stuck.leave()
        bus.wait_until(lambda: self.count_descriptors() <= before, "the socket to be closed")

    def test_an_export_that_nobody_reads_holds_up_nobody_else(self):
        stuck = self.alice.begin("Diagnostics.Export", "(handle 0, @a{sv} {})", fd="full-pipe")
        self.alice.get("State")  # the service has it
        again = self.caller("alice")
        message = self.assert_error("Busy", again.call, "Diagnostics.Export", "(handle 0, @a{sv} {})", fd="full-pipe")
        self.assertIn("of yours", message)
        target = f"/tmp/{os.path.basename(self.place.folder)}-root.tar.gz"
        try:
            self.caller("root").call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:{target}")
            with tarfile.open(target) as archive:
                self.assertTrue(archive.getnames())
        finally:
            os.unlink(target)
        self.assertFalse(stuck.is_done())


class Logs(ServiceTest):
    def test_bounded(self):
        """However long it talks, a run keeps so many pages of such a size."""
        self.place.stop()
        self.place.start("--log-file-bytes", "20000", environment={"RUST_LOG": "trace"})
        alice = self.caller("alice")

        def pages():
            latest = os.path.realpath(os.path.join(self.place.logs, "tunnel-service.latest"))
            return [latest + end for end in ("", ".1", ".2", ".3", ".4") if os.path.exists(latest + end)]

        def is_full():
            try:
                self.place.sign_in(alice, "nonsense")
                alice.call("Manager.ClearCredential")
            except bus.CallError as error:
                self.assertEqual(error.name, bus.ERROR + "Busy")  # the next second has calls again
            return len(pages()) >= 4
        bus.wait_until(is_full, "four pages", 3 * bus.DEADLINE_S)
        for _ in range(60):
            is_full()
        self.assertEqual(len(pages()), 4)
        for page in pages():
            self.assertLessEqual(os.stat(page).st_size, 20000)


class Journal(ServiceTest):
    """Standard output leads into a journal of the test's own."""

    @classmethod
    def setUpClass(cls):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)
        os.mkdir("/run/systemd/journal")
        cls.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        cls.journal.bind("/run/systemd/journal/socket")
        os.chmod("/run/systemd/journal/socket", 0o777)
        cls.entries = queue.SimpleQueue()
        threading.Thread(target=cls.listen, args=(cls.journal, cls.entries), daemon=True).start()
        try:
            super().setUpClass()
        except BaseException:
            cls.leave()
            raise

    @staticmethod
    def listen(journal, entries):
        """Always, as a journal does: one that is full makes its writers wait."""
        while True:
            try:
                data = journal.recv(65536)
            except OSError:
                return
            if not data:
                return
            entries.put(dict(line.split(b"=", 1) for line in data.split(b"\n") if b"=" in line))

    @classmethod
    def leave(cls):
        cls.journal.shutdown(socket.SHUT_RDWR)
        cls.journal.close()
        subprocess.run(["umount", "/run/systemd"], check=True)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.leave()

    def read_until(self, event):
        while True:
            entry = self.entries.get(timeout=bus.DEADLINE_S)
            if entry.get(b"FZ_EVENT") == event:
                return entry

    def test_same_fields(self):
        self.place.stop()
        self.place.start(journal=True, environment={"RUST_LOG": "info"})
        entry = self.read_until(b"started")
        self.assertEqual(entry[b"PRIORITY"], b"6")
        self.assertEqual(entry[b"MESSAGE"], b"tunnel service started")
        self.assertEqual(entry[b"FZ_TARGET"], b"helper")
        self.assertIn(b"FZ_KERNEL", entry)
        self.assertEqual(entry[b"SYSLOG_IDENTIFIER"], b"fz-fake-tunnel")

        self.place.sign_in(self.caller("alice"), "marker-for-the-journal")
        entry = self.read_until(b"credential-set")
        self.assertEqual(entry[b"FZ_OWNER"], str(bus.USERS["alice"]).encode())
        self.assertIn("credential-set", self.place.all_logs())     # the file as well
        self.assertNotIn("{", self.place.bus.log_of(self.place.process))  # and nothing twice


class Secrets(ServiceTest):
    def test_markers_are_nowhere(self):
        """A token with a shape of its own is looked for wherever something could have left it."""
        token = self.make_token()["token"]
        self.assertGreater(len(token), 20)
        monitor = self.place.bus._spawn(["dbus-monitor", "--binary", "--address", self.place.bus.address],
                                        log="monitor.bin")
        bus.wait_until(lambda: os.path.getsize(monitor.log) > 0, "the monitor")
        self.caller("root").call("Diagnostics.SetLogFilter", "('trace',)")

        self.place.sign_in(self.alice, token)
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "connected")
        self.alice.call("Manager.Reconnect")
        self.place.wait_state(self.alice, "connected")
        path = f"/tmp/{os.path.basename(self.place.folder)}-2.tar.gz"
        self.alice.call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:{path}")
        with tarfile.open(path) as archive:
            exported = b"".join(archive.extractfile(member).read() for member in archive if member.isfile())
        os.remove(path)

        pid = self.place.process.pid
        places = {"export": exported, "logs": self.place.all_logs().encode(),
                  "output": self.place.bus.log_of(self.place.process).encode(),
                  "notify": "\n".join(self.place.manager.messages).encode()}
        for name in ("cmdline", "environ", "comm"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                places[name] = file.read()

        def monitored():
            with open(monitor.log, "rb") as file:
                return file.read()
        places["bus"] = bus.wait_until(lambda: (lambda seen: seen if b"SetCredential" in seen and b"Export" in seen else None)(monitored()),
                                       "the calls in the monitor")
        self.assertGreater(len(places["logs"]), 1000)
        self.assertGreater(len(exported), 1000)

        # The whole, and its last part: what is left of a token when somebody cuts off its head.
        for marker in (token.encode(), token[-24:].encode()):
            for name, content in places.items():
                self.assertNotIn(marker, content, f"the token stands in {name}")
        self.assertIn(b"tunnel", places["cmdline"])
        self.assertIn(b"SetCredential", places["bus"])
        self.assertIn(b"credential-set", places["logs"])
        self.place.bus.stop(monitor)

        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            self.assertRegex(file.read(), r"Max core file size\s+0\s+0")
        if "ASAN_OPTIONS" not in os.environ:  # nobody of its own user looks into it
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)

    def test_environment_is_not_a_way(self):
        """A token in the environment is wiped from there, and used for nothing."""
        self.place.stop()
        self.place.start(environment={"FIREZONE_TOKEN": "marker-in-the-environment"})
        with open(f"/proc/{self.place.process.pid}/environ", "rb") as file:
            self.assertNotIn(b"marker-in-the-environment", file.read())
        self.assertEqual(self.caller("alice").get("State"), "signed-out")


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
