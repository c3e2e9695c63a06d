#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: many_layers.py IMAGES LAYERS DIRECTORY

Writes an OCI layout to DIRECTORY/layout, with the images "0", "1", ... of LAYERS layers each.  A
layer has one file of random bytes, of a length of its own, named like the layer's number; no two
layers are equal.  DIRECTORY/want has a line "IMAGE LAYER SHA-256" for each file.
"""
import hashlib
import io
import json
import os
import sys
import tarfile

MEDIA = "application/vnd.oci.image."
BLOCK = 4096


def write_blob(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    with open(os.path.join(layout, "blobs/sha256", digest), "wb") as file:
        file.write(content)
    return {"digest": "sha256:" + digest, "size": len(content)}


def make_layer(name, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def make_image(layout, number, layers, want):
    descriptors = []
    for layer in range(layers):
        # A block or several, with and without a last one that is not full
        size = BLOCK * (1 + (number + layer) % 5) + (number * layer) % BLOCK
        content = os.urandom(size)
        want.write(f"{number} {layer} {hashlib.sha256(content).hexdigest()}\n")
        descriptor = write_blob(layout, make_layer(str(layer), content))
        descriptors.append({"mediaType": MEDIA + "layer.v1.tar", **descriptor})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [d["digest"] for d in descriptors]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": {
            "mediaType": MEDIA + "config.v1+json",
            **write_blob(layout, json.dumps(config).encode()),
        },
        "layers": descriptors,
    }
    return {
        "mediaType": MEDIA + "manifest.v1+json",
        **write_blob(layout, json.dumps(manifest).encode()),
        "annotations": {"org.opencontainers.image.ref.name": str(number)},
    }


def main():
    images, layers, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    layout = os.path.join(directory, "layout")
    os.makedirs(os.path.join(layout, "blobs/sha256"))
    with open(os.path.join(directory, "want"), "w", encoding="ascii") as want:
        manifests = [make_image(layout, number, layers, want) for number in range(images)]
    with open(os.path.join(layout, "oci-layout"), "w", encoding="ascii") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)
    with open(os.path.join(layout, "index.json"), "w", encoding="ascii") as file:
        json.dump({"schemaVersion": 2, "manifests": manifests}, file)


if __name__ == "__main__":
    main()
