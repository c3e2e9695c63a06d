# SPDX-License-Identifier: Apache-2.0
"""One entry of a tar for the tests of the tools: its header, of which any field can be given, and its data."""
import tarfile


def entry(name, data=b"", type=tarfile.REGTYPE, pax=None, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.pax_headers = type, len(data), pax or {}
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data
