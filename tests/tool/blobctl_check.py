#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blobctl check finds damage in each kind of object, also where every digest was made right again.

Runs the real tools on a small store; knows the formats by itself (JSON, chunk index, EROFS fields).
"""
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-check-", dir="/var/tmp"))
failures = 0


def run(*args):
    return subprocess.run([str(BIN / args[0]), *map(str, args[1:])], capture_output=True, timeout=120)


class Store:
    """A copy of a store that a test may damage."""

    def __init__(self, source):
        self.path = work / "store"
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(source, self.path)
        self.index = json.loads((self.path / "index.json").read_text())
        self.entry = self.index["manifests"][0]
        self.manifest = json.loads(self.read(self.entry["digest"]))

    def blob(self, digest):
        return self.path / "blobs" / "sha256" / digest.split(":")[1]

    def read(self, digest):
        return self.blob(digest).read_bytes()

    def put(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blob(digest).write_bytes(data)
        return digest

    def replace(self, descriptor, data):
        descriptor["digest"], descriptor["size"] = self.put(data), len(data)

    def commit(self):
        """Makes manifest and index right again for what was changed."""
        self.replace(self.entry, json.dumps(self.manifest).encode())
        (self.path / "index.json").write_text(json.dumps(self.index))

    def change_config(self, change):
        config = json.loads(self.read(self.manifest["config"]["digest"]))
        change(config)
        self.replace(self.manifest["config"], json.dumps(config).encode())

    def layer(self, number):
        return self.manifest["layers"][number]

    def plain_bootstrap(self):
        layer = self.layer(-1)
        stored = self.read(layer["digest"])
        if not layer["mediaType"].endswith("+zstd"):
            return stored
        return subprocess.run(["zstd", "-dqc"], input=stored, capture_output=True, check=True).stdout

    def flip(self, digest, offset):
        data = bytearray(self.read(digest))
        data[offset] ^= 0x40
        self.blob(digest).write_bytes(data)

    def check(self, *args):
        return run("blobctl", "check", "--store", self.path, *(args or ["app"]))


def expect(what, store, *patterns):
    global failures
    result = store.check()
    lines = result.stdout.decode().splitlines()
    bad = [p for p in patterns if not any(p in line for line in lines[:-1])]
    report = json.loads(store.check("--json", "app").stdout)
    if (result.returncode != 1 or result.stderr or bad or report["defects"] != len(lines) - 1
            or lines[-1] != f"defects: {report['defects']}"):
        failures += 1
        print(f"FAIL: {what}: status {result.returncode}, not found: {bad}", *lines, sep="\n  ")
        print(result.stderr.decode())


def set_u32(data, offset, value):
    data[offset:offset + 4] = struct.pack("<I", value)


def remade_bootstrap(store, change, with_checksum=False):
    """Changes the bootstrap and every digest above it."""
    data = bytearray(store.read(store.layer(-1)["digest"]))
    change(data)
    if with_checksum:
        # compat bit 0: the superblock has a checksum; without it none is compared.
        set_u32(data, 1024 + 8, struct.unpack_from("<I", data, 1024 + 8)[0] & ~1)
    store.replace(store.layer(-1), bytes(data))
    store.change_config(lambda c: c["rootfs"]["diff_ids"].__setitem__(-1, store.layer(-1)["digest"]))
    store.commit()


def embed_index(store, number, index, beside):
    """Puts a chunk index into a layer, as the specification has it; `beside`: keeps the one that is a layer."""
    layer = store.layer(number)
    stored = store.read(layer["digest"])
    annotations = layer.setdefault("annotations", {})
    annotations["org.erofs.chunk-index.range"] = str(len(stored))
    annotations["org.erofs.chunk-index.digest"] = "sha256:" + hashlib.sha256(index).hexdigest()
    if layer["mediaType"].endswith("+zstd"):
        index = struct.pack("<II", 0x184D2A50, len(index)) + index
    store.replace(layer, stored + index)
    diff_ids = []
    store.change_config(lambda c: diff_ids.extend(c["rootfs"]["diff_ids"]))
    if not layer["mediaType"].endswith("+zstd"):
        diff_ids[number] = layer["digest"]
    if number == 0:
        standalone = store.layer(1)
        standalone["annotations"]["org.erofs.chunk-index.target"] = layer["digest"]
        if not beside:
            del store.manifest["layers"][1], diff_ids[1]
        # The device table names the blob.
        data = bytearray(store.plain_bootstrap())
        slot = struct.unpack_from("<H", data, 1024 + 88)[0] * 128
        data[slot:slot + 64] = layer["digest"].split(":")[1].encode()
        set_u32(data, 1024 + 8, struct.unpack_from("<I", data, 1024 + 8)[0] & ~1)
        bootstrap = store.layer(-1)
        bootstrap["mediaType"] = "application/vnd.erofs"
        bootstrap.get("annotations", {}).pop("org.erofs.uncompressed-digest", None)
        store.replace(bootstrap, bytes(data))
        diff_ids[-1] = bootstrap["digest"]
    store.change_config(lambda c: c["rootfs"].__setitem__("diff_ids", diff_ids))
    store.commit()


def expect_right(what, store):
    global failures
    result = store.check()
    if result.returncode != 0:
        failures += 1
        print(f"FAIL: {what}:", result.stdout.decode(), result.stderr.decode())


def raw_index(data, checksum=None):
    """A chunk index with one frame of bytes that are not compressed."""
    return (struct.pack("<4sBBHQIBB10x", b"\xcd\xe4\xec\x67", 1, 0, 0, len(data), 1, 1, 32)
            + struct.pack("<QQ", 0, 0) + (checksum or hashlib.sha256(data).digest()))


def check_embedded_indexes():
    for form in ("zstd", "none"):
        index = Store(work / form)
        index = index.read(index.layer(1)["digest"])
        for beside in (False, True):
            store = Store(work / form)
            embed_index(store, 0, index, beside)
            expect_right(f"{form}: index in the blob, beside: {beside}", store)
            result = run("blobctl", "export", "--store", store.path, "app", "-o", work / "out.tar")
            assert result.returncode == 0, result
            store = Store(work / form)
            broken = bytearray(index)
            broken[48] ^= 1  # the first frame's checksum
            embed_index(store, 0, bytes(broken), beside)
            expect(f"{form}: wrong index in the blob, beside: {beside}", store,
                   ": index in the blob: frame 0 at 0x0: verify" if beside else ": frame 0 at 0x0: verify")
    for wrong in (False, True):
        store = Store(work / "none")
        data = store.plain_bootstrap()
        # Not 8 MiB long: one frame does.
        embed_index(store, -1, raw_index(data, b"x" * 32 if wrong else None), True)
        if wrong:
            expect("wrong index in the bootstrap", store, "bootstrap " + store.layer(-1)["digest"] + ": frame 0")
        else:
            expect_right("index in the bootstrap", store)


def check_bomb():
    """A blob without an index that decompresses to more than its slot has is not decompressed further."""
    store = Store(work / "zstd")
    store.replace(store.layer(0), subprocess.run(
        ["zstd", "-q", "-c"], stdin=subprocess.Popen(["head", "-c", "300M", "/dev/zero"], stdout=subprocess.PIPE).stdout,
        capture_output=True, check=True).stdout)
    del store.manifest["layers"][1]
    store.change_config(lambda c: c["rootfs"].pop("diff_ids"))
    store.layer(0)["annotations"].pop("org.erofs.chunk-index.digest", None)
    store.commit()
    expect("a bomb", store, ": read: is longer than ")
    store.layer(-1)["size"] += 1
    store.commit()
    expect("a bomb without a bootstrap", store, "bytes in place of")


def main():
    global failures
    root = work / "root"
    root.mkdir()
    for name in "abc":
        (root / name).write_bytes(os.urandom(300_000))
    (root / "text").write_bytes(b"some text\n" * 20_000)
    (root / "sub").mkdir()
    subprocess.run(["tar", "-cf", work / "root.tar", "--sort=name", "-C", root, "."], check=True)
    for form in ("zstd", "none"):
        result = run("mkfs-erofs-ondemand", "--json", "--compression", form, "--frame-size", "64K", "--ref",
                     "app", "-o", work / form, work / "root.tar")
        assert result.returncode == 0, result.stderr
        summary = json.loads(result.stdout)
        assert summary["ratio"] == summary["bytes"]["input"] / summary["bytes"]["stored"], summary

    for form in ("zstd", "none"):
        store = Store(work / form)
        good = store.check()
        assert good.returncode == 0 and good.stdout.count(b"\n") == 1 and b": ok: " in good.stdout, good
        assert store.check("--all").returncode == 0
        blob, index, bootstrap = (layer["digest"] for layer in store.manifest["layers"])
        size = store.layer(0)["size"]
        # A byte in each kind of object, at its begin, middle and end.
        for offset in (0, size // 2, size - 1):
            store = Store(work / form)
            store.flip(blob, offset)
            expect(f"{form}: blob, byte {offset}", store, f"blob {blob}: frame ",
                   f"blob {blob}: verify: its bytes")
        for offset in (0, 40, 60, -1):
            store = Store(work / form)
            store.flip(index, offset)
            expect(f"{form}: index, byte {offset}", store, f"chunk index {index}: verify", "chunk index: verify")
        for offset in (10, 1100, -1):
            store = Store(work / form)
            store.flip(bootstrap, offset if form == "none" else min(offset, 200))
            expect(f"{form}: bootstrap, byte {offset}", store, f"bootstrap {bootstrap}: verify")
        store = Store(work / form)
        store.flip(store.manifest["config"]["digest"], 5)
        expect(f"{form}: configuration", store, f"configuration {store.manifest['config']['digest']}: verify")
        store = Store(work / form)
        store.flip(store.entry["digest"], 5)
        expect(f"{form}: manifest", store, store.entry["digest"])
        # Gone, cut and too long.
        for layer in store.manifest["layers"] + [store.manifest["config"]]:
            digest = layer["digest"]
            store = Store(work / form)
            store.blob(digest).unlink()
            expect(f"{form}: {digest} missing", store, digest)
            store = Store(work / form)
            os.truncate(store.blob(digest), layer["size"] - 1)
            expect(f"{form}: {digest} cut", store, digest)
            store = Store(work / form)
            os.truncate(store.blob(digest), layer["size"] + 1)
            expect(f"{form}: {digest} too long", store, digest)
        store = Store(work / form)
        store.blob(store.entry["digest"]).unlink()
        expect(f"{form}: manifest missing", store, "manifest")

    # Every digest is right, and yet what they say does not fit.
    store = Store(work / "zstd")
    store.change_config(lambda c: c.pop("os.features"))
    store.commit()
    expect("no os.features", store, "os.features does not have 'erofs'")
    store = Store(work / "zstd")
    store.change_config(lambda c: c["rootfs"].pop("diff_ids"))
    store.commit()
    if store.check().returncode != 0:
        failures += 1
        print("FAIL: no rootfs.diff_ids:", store.check())
    for layer, what in ((0, "blob"), (-1, "bootstrap")):
        store = Store(work / "zstd")
        del store.layer(layer)["annotations"]["org.erofs.uncompressed-digest"]
        store.commit()
        expect(f"{what} without a digest", store, "has no org.erofs.uncompressed-digest")
    store = Store(work / "zstd")
    store.change_config(lambda c: c["rootfs"]["diff_ids"].pop())
    store.commit()
    expect("too few diff_ids", store, "has 2 diff_ids for 3 layers")
    store = Store(work / "zstd")
    store.change_config(lambda c: c["rootfs"]["diff_ids"].__setitem__(0, "sha256:" + "1" * 64))
    store.commit()
    expect("wrong diff_id", store, "diff_id 0 is sha256:1111")
    store = Store(work / "zstd")
    store.layer(0)["annotations"]["org.erofs.uncompressed-digest"] = "sha256:" + "2" * 64
    store.commit()
    expect("wrong uncompressed digest", store, "the manifest says sha256:2222")
    store = Store(work / "zstd")
    store.layer(0)["annotations"]["org.erofs.chunk-index.digest"] = "sha256:" + "3" * 64
    store.commit()
    expect("wrong index annotation", store, "says that its chunk index is sha256:3333")

    def another_index(change):
        changed = Store(work / "zstd")
        data = bytearray(changed.read(changed.layer(1)["digest"]))
        change(data)
        changed.replace(changed.layer(1), bytes(data))
        changed.layer(0)["annotations"]["org.erofs.chunk-index.digest"] = changed.layer(1)["digest"]
        changed.change_config(
            lambda c: c["rootfs"]["diff_ids"].__setitem__(1, changed.layer(1)["digest"]))
        changed.commit()
        return changed

    def later_frame(data):  # entry 1 begins one stored byte later
        at = 32 + 48
        data[at:at + 8] = struct.pack("<Q", struct.unpack_from("<Q", data, at)[0] + 1)
    expect("index with a wrong offset", another_index(later_frame), "frame 0 at 0x0: verify")

    def other_view(data):  # entry 1 begins one uncompressed byte later
        at = 32 + 48 + 8
        data[at:at + 8] = struct.pack("<Q", struct.unpack_from("<Q", data, at)[0] + 1)
    expect("index with a wrong length", another_index(other_view), "frame 0 at 0x0: ")
    expect("index without magic", another_index(lambda d: d.__setitem__(0, 0)), "wrong magic")

    store = Store(work / "none")
    remade_bootstrap(store, lambda d: d.__setitem__(2000, d[2000] ^ 1))
    expect("checksum of the superblock", store, "checksum does not match")

    def another_inos(data):
        struct.pack_into("<Q", data, 1024 + 16, struct.unpack_from("<Q", data, 1024 + 16)[0] + 1)
    store = Store(work / "none")
    remade_bootstrap(store, another_inos, True)
    expect("number of inodes", store, "names lead to")
    # The device table's first slot: tag (64), blocks (4).
    slot = struct.unpack_from("<H", store.read(store.layer(-1)["digest"]), 1024 + 88)[0] * 128

    def more_blocks(data):
        set_u32(data, slot + 64, struct.unpack_from("<I", data, slot + 64)[0] + 1)
    store = Store(work / "none")
    remade_bootstrap(store, more_blocks, True)
    expect("slot larger than its blob", store, "slot 1 needs")

    def fewer_blocks(data):
        set_u32(data, slot + 64, 3)
    store = Store(work / "none")
    remade_bootstrap(store, fewer_blocks, True)
    expect("extents outside of the slot", store, "is outside of device 1")

    def other_tag(data):
        data[slot:slot + 64] = b"4" * 64
    store = Store(work / "none")
    remade_bootstrap(store, other_tag, True)
    expect("slot of another blob", store, "slot 1 is tagged 4444")

    check_embedded_indexes()
    check_bomb()

    # A blob that an honest image describes rightly is checked again for one that lies about it.
    store = Store(work / "zstd")
    honest = dict(store.entry, annotations={"org.opencontainers.image.ref.name": "honest"})
    store.index["manifests"].append(honest)
    store.layer(0)["size"] += 1
    store.commit()
    result = store.check("honest", "app")
    lines = result.stdout.decode().splitlines()
    blob = store.layer(0)["digest"]
    if result.returncode != 1 or not any(line.startswith("app: ") and blob in line for line in lines):
        failures += 1
        print("FAIL: size of a blob that another image shares:", *lines, sep="\n  ")

    result = store.check("absent")
    if result.returncode != 1 or b"absent: manifest: read" not in result.stdout:
        print("FAIL: no such image:", result)
        return 1
    for args in ([], ["--all", "app"]):
        result = run("blobctl", "check", "--store", store.path, *args)
        if result.returncode != 2:
            print("FAIL: usage:", args, result)
            return 1
    return 1 if failures else 0


try:
    status = main()
finally:
    shutil.rmtree(work, ignore_errors=True)
print("passed" if status == 0 else f"{failures} failures")
sys.exit(status)
