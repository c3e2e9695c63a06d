#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""demandd with the real kernel: on-demand reads, failures, kill -9 of each of its processes, the
guard that a clean stop leaves, and the next demandd that takes over.  No reader may ever see a
wrong byte.  Exit 0 passed, 77 skipped, else failed."""

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ["ONDEMAND_BIN"]
FILE_BYTES = 16 << 20
FRAME_BYTES = 1 << 14
FILES = 6


def tool(name):
    return os.path.join(BIN, name)


def skip(reason):
    print("SKIP:", reason)
    sys.exit(1 if os.environ.get("ONDEMAND_REQUIRE_ALL") == "1" else 77)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


class World:
    """A store with one image, a cache with it prepared, and what must be taken down at the end."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="erofs-ondemand-test-", dir="/var/tmp")
        self.cache = os.path.join(self.work, "cache")
        self.store = os.path.join(self.work, "store")
        self.mnt = os.path.join(self.work, "mnt")
        self.log = open(os.path.join(self.work, "demandd.log"), "ab")
        self.daemon = None
        os.mkdir(self.mnt)
        self.content = {}
        self.fill_store()

    def fill_store(self):
        tree = os.path.join(self.work, "tree")
        os.mkdir(tree)
        rng = random.Random(1)
        for i in range(FILES):
            data = rng.randbytes(FILE_BYTES)
            with open(os.path.join(tree, f"f{i}"), "wb") as out:
                out.write(data)
            self.content[f"f{i}"] = data
        blob, bootstrap = os.path.join(self.work, "blob"), os.path.join(self.work, "bootstrap")
        subprocess.run(["mkfs.erofs", "--chunksize=65536", f"--blobdev={blob}", "-Eforce-chunk-indexes",
                        bootstrap, tree], check=True, capture_output=True)
        with open(blob, "rb") as data, open(bootstrap, "rb") as meta:
            self.write_image(data.read(), meta.read())
        shutil.rmtree(tree)

    def write_image(self, blob, bootstrap):
        """An OCI layout with one image: raw device blob, its chunk index, bootstrap."""
        os.makedirs(os.path.join(self.store, "blobs", "sha256"))
        index = struct.pack("<4sBBHQIBB10x", b"\xcd\xe4\xec\x67", 1, 0, 0, len(blob),
                            -(-len(blob) // FRAME_BYTES), 1, 32)
        for at in range(0, len(blob), FRAME_BYTES):
            index += struct.pack("<QQ", at, at) + hashlib.sha256(blob[at:at + FRAME_BYTES]).digest()
        layers = [self.put(blob, "application/octet-stream", {"org.erofs.role": "device"})]
        layers.append(self.put(index, "application/vnd.erofs.chunk-index.v1",
                               {"org.erofs.chunk-index.target": layers[0]["digest"]}))
        layers.append(self.put(bootstrap, "application/vnd.erofs"))
        config = {"architecture": "amd64", "os": "linux", "os.features": ["erofs"],
                  "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
        kind = "application/vnd.oci.image.{}.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind.format("manifest"), "layers": layers,
                    "config": self.put(json.dumps(config).encode(), kind.format("config"))}
        entry = self.put(json.dumps(manifest).encode(), kind.format("manifest"),
                         {"org.opencontainers.image.ref.name": "test"})
        with open(os.path.join(self.store, "oci-layout"), "w") as out:
            out.write('{"imageLayoutVersion":"1.0.0"}')
        with open(os.path.join(self.store, "index.json"), "w") as out:
            json.dump({"schemaVersion": 2, "mediaType": kind.format("index"), "manifests": [entry]}, out)

    def put(self, data, media_type, annotations=None):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.store, "blobs", "sha256", digest), "wb") as out:
            out.write(data)
        descriptor = {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}
        if annotations:
            descriptor["annotations"] = annotations
        return descriptor

    def prepare(self):
        self.image = run("blobctl", "prepare", "--cache", self.cache, "--store", self.store, "test").strip()

    def reset_cache(self):
        shutil.rmtree(self.cache)
        self.prepare()

    def start(self, *options):
        self.daemon = subprocess.Popen([tool("demandd"), "--cache", self.cache, "--store", self.store,
                                        "--transport", "fanotify", *options], stderr=self.log, stdin=subprocess.DEVNULL)
        self.wait(lambda: self.call("ping"), "demandd answers")

    def call(self, op):
        try:
            with socket.socket(socket.AF_UNIX) as conn:
                conn.settimeout(10)
                conn.connect(os.path.join(self.cache, "demandd.sock"))
                conn.sendall(json.dumps({"op": op}).encode() + b"\n")
                return json.loads(conn.makefile().readline())
        except (OSError, ValueError):
            return None

    def mount(self):
        run("blobctl", "mount", "--cache", self.cache, self.image, self.mnt)

    def umount(self):
        subprocess.run(["umount", self.mnt], check=False, stderr=subprocess.DEVNULL)

    def wait(self, condition, what, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            check(time.monotonic() < end, "gave up waiting: " + what)
            time.sleep(0.02)

    def family(self):
        """Numbers of all processes of this demandd, by their command line."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as line:
                        words = line.read().split(b"\0")
                except OSError:
                    continue
                if len(words) > 2 and words[0].endswith(b"demandd") and words[2] == self.cache.encode():
                    found.append(int(entry))
        return found

    def close(self):
        self.umount()
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                pass
        end = time.monotonic() + 5
        while self.family() and time.monotonic() < end:
            time.sleep(0.05)
        while self.family():  # all at once: none restarts another
            for pid in self.family():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        shutil.rmtree(self.work, ignore_errors=True)


def run(name, *args):
    done = subprocess.run([tool(name), *args], capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"{name} {args}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w") as out:
        out.write("3")


def read_range(world, name, offset, size):
    """The bytes, or the errno.  Past the page cache of the mount where that can be."""
    try:
        with open(os.path.join(world.mnt, name), "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return os.pread(file.fileno(), size, offset)
    except OSError as error:
        return error.errno


def expect_clean_end(world):
    """Without a mount, nobody stays behind."""
    world.umount()
    world.daemon.send_signal(signal.SIGTERM)
    check(world.daemon.wait(20) == 0, "exit status after SIGTERM")
    world.wait(lambda: not world.family(), "no process stays")


def expect_all(world):
    for name, data in world.content.items():
        with open(os.path.join(world.mnt, name), "rb") as file:
            check(file.read() == data, name + ": wrong content")


def test_on_demand(world):
    world.start()
    world.mount()
    check(read_range(world, "f0", 1 << 20, 4096) == world.content["f0"][1 << 20:(1 << 20) + 4096],
          "first read")
    status = world.call("status")
    check(0 < status["bytes_fetched"] < 2 << 20, f"fetched {status['bytes_fetched']} for one page")
    expect_all(world)
    fetches = world.call("status")["fetches"]
    drop_caches()
    expect_all(world)
    check(world.call("status")["fetches"] == fetches, "a second read fetched again")
    check(all(blob["complete"] for blob in world.call("status")["blobs"]), "all read, not complete")
    expect_clean_end(world)


def test_failure_and_recovery(world):
    world.reset_cache()
    world.start("--request-timeout", "2")
    world.mount()
    blobs = os.path.join(world.store, "blobs")
    os.rename(blobs, blobs + ".away")
    check(read_range(world, "f1", 0, 65536) == 5, "a read without a source is not EIO")
    check(world.call("status")["totals"]["errors"] > 0, "errors are not counted")
    os.rename(blobs + ".away", blobs)
    check(read_range(world, "f1", 0, 65536) == world.content["f1"][:65536], "no recovery")


def kill_while_reading(world, victims, wanted):
    """`wanted` kills, fewer on a machine where they take more than 25 seconds."""
    stop = threading.Event()
    counts = {"reads": 0, "errors": 0, "wrong": 0}

    def reader(seed):
        rng = random.Random(seed)
        while not stop.is_set():
            name = f"f{rng.randrange(FILES)}"
            offset = rng.randrange(FILE_BYTES // 4096) * 4096
            got = read_range(world, name, offset, 16384)
            counts["reads"] += 1
            time.sleep(0.005)  # so that missing data is left to the end
            if isinstance(got, int):
                counts["errors"] += 1
            elif got != world.content[name][offset:offset + 16384]:
                counts["wrong"] += 1

    threads = [threading.Thread(target=reader, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    kills = 0
    end = time.monotonic() + 25
    while kills < wanted and time.monotonic() < end:
        time.sleep(0.05)
        drop_caches()
        pid = victims()
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
    stop.set()
    for thread in threads:
        thread.join(60)
        check(not thread.is_alive(), "a reader hangs")
    print(f"   {kills} kills, {counts}")
    check(kills > 1, "nothing was killed")
    check(counts["wrong"] == 0, f"wrong bytes: {counts}")
    check(counts["errors"] == 0, f"errors: {counts}")


def start_afresh(world):
    """A running demandd with an empty cache, mounted."""
    world.umount()
    # The chief may be another process than the one that was started; the others block SIGTERM.
    for pid in world.family():
        os.kill(pid, signal.SIGTERM)
    if world.daemon:
        world.daemon.wait(20)
    world.wait(lambda: not world.family(), "no process stays")
    world.reset_cache()
    world.start()
    world.mount()


def test_worker_killed(world):
    start_afresh(world)

    def worker():
        status = world.call("status")
        return status["pid"] if status else None

    kill_while_reading(world, worker, 25)


def test_any_killed(world):
    """Main process, deputy and worker in turn: one at a time, the others repair it."""
    start_afresh(world)
    rng = random.Random(5)

    def anyone():
        family = world.family()
        return rng.choice(family) if len(family) == 3 and world.call("ping") else None

    kill_while_reading(world, anyone, 15)


def test_guard_and_take_over(world):
    start_afresh(world)
    with open(os.path.join(world.cache, "demandd.lock")) as lock:
        check(int(lock.read()) == world.daemon.pid, "lock file names another process")
    check(read_range(world, "f2", 0, 4096) == world.content["f2"][:4096], "read before the stop")
    second = subprocess.run([tool("demandd"), "--cache", world.cache, "--store", world.store],
                            capture_output=True, text=True, timeout=30)
    check(second.returncode == 1 and "another demandd" in second.stderr, second.stderr)
    world.daemon.send_signal(signal.SIGTERM)
    check(world.daemon.wait(30) == 0, "exit status with a mount")
    check(len(world.family()) == 1, "one guard")
    drop_caches()
    check(read_range(world, "f2", 0, 4096) == world.content["f2"][:4096], "present data with a guard")
    check(read_range(world, "f3", 1 << 20, 4096) == 5, "missing data with a guard is not EIO")
    guard = world.family()[0]
    for name in (signal.SIGTERM, signal.SIGINT):
        os.kill(guard, name)
    check(read_range(world, "f3", 2 << 20, 4096) == 5, "a guard goes on SIGTERM")
    world.start()
    check(guard not in world.family(), "the guard stays")
    drop_caches()
    expect_all(world)
    expect_clean_end(world)


def test_a_start_that_fails_leaves_a_guard(world):
    """The next demandd sends the guard away, and cannot go on."""
    start_afresh(world)
    world.daemon.send_signal(signal.SIGTERM)
    check(world.daemon.wait(30) == 0, "exit status with a mount")
    address = os.path.join(world.cache, "demandd.sock")
    os.mkdir(address)
    failed = subprocess.run([tool("demandd"), "--cache", world.cache, "--store", world.store, "--transport",
                             "fanotify"], capture_output=True, text=True, timeout=60)
    check(failed.returncode == 1 and "demandd.sock" in failed.stderr, failed.stderr)
    check(len(world.family()) == 1, "one guard")
    drop_caches()
    check(read_range(world, "f3", 1 << 20, 4096) == 5, "missing data after a failed start is not EIO")
    os.rmdir(address)
    world.start()
    drop_caches()
    expect_all(world)
    expect_clean_end(world)


def test_guard_goes_with_the_last_mount(world):
    world.reset_cache()
    world.start()
    world.mount()
    world.daemon.send_signal(signal.SIGTERM)
    check(world.daemon.wait(30) == 0, "exit status with a mount")
    world.umount()
    world.wait(lambda: not world.family(), "the guard goes")


def main():
    if os.geteuid() != 0:
        skip("needs root")
    if not shutil.which("mkfs.erofs"):
        skip("needs mkfs.erofs")
    for name in ("blobctl", "demandd"):
        if not os.access(tool(name), os.X_OK):
            skip("needs " + name)
    probe = tempfile.mkdtemp(dir="/var/tmp")
    try:
        absent = os.path.join(probe, "no", "cache")
        done = subprocess.run([tool("demandd"), "--check", "--transport", "fanotify", "--cache", absent],
                              capture_output=True, text=True)
        if done.returncode != 0:
            skip(done.stderr.strip())
        check(done.stdout == "fanotify: ready\n" and not os.listdir(probe), "--check: " + done.stdout)
    finally:
        shutil.rmtree(probe)
    world = World()
    try:
        world.prepare()
        for test in (test_on_demand, test_failure_and_recovery, test_worker_killed, test_any_killed,
                     test_guard_and_take_over, test_a_start_that_fails_leaves_a_guard,
                     test_guard_goes_with_the_last_mount):
            print("--", test.__name__, flush=True)
            test(world)
    except BaseException:
        world.log.flush()
        with open(os.path.join(world.work, "demandd.log")) as log:
            sys.stderr.writelines(log.readlines()[-40:])
        raise
    finally:
        world.close()


if __name__ == "__main__":
    main()
