"""Reads a canonical archive from FORMAT.md alone, with what Python has and a MessagePack library.

Prints JSON: what it found in each table, and the digest as it computes it.
"""
import hashlib
import json
import struct
import sys
import tarfile
import zlib

import msgpack

SLOT = struct.Struct("<QQIIQQ32sII")
ITEM = struct.Struct("<IIIIB")
MULTISETS = ("operator-list", "operator-union", "in-flight")
UNKEYED = MULTISETS + ("splits", "watermark", "transactions", "broadcast")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def field(data, at):
    length, at = varint(data, at)
    return data[at : at + length], at + length


def entries(block):
    at = 0
    while at < len(block):
        table, at = varint(block, at)
        group, at = varint(block, at)
        start = at
        key, at = field(block, at)
        namespace = block[at]
        at += 1
        if namespace == 1:
            at += 16
        elif namespace == 3:
            _, at = field(block, at)
        map_key, at = field(block, at)
        identity = block[start:at]
        flags = block[at]
        at += 1
        if flags & 1:
            at += 8
        value, at = field(block, at)
        yield table, group, key, map_key, value, identity


def blocks(member, slot, listing):
    at, position = slot["offset"], 0
    while position < len(listing) - 4:
        stored, length, count, crc, method = ITEM.unpack_from(listing, position)
        separator, position = field(listing, position + ITEM.size)
        raw = member[at : at + stored]
        assert zlib.crc32(raw) == crc
        block = raw if method == 0 else zlib.decompress(raw, -15)
        assert len(block) == length
        at += stored
        yield block, count, separator


def slots(member, count):
    for group in range(count):
        at = len(member) - (count - group) * SLOT.size
        names = ("offset", "stored", "blocks", "list", "entries", "bytes", "leaf", "zero", "crc")
        slot = dict(zip(names, SLOT.unpack_from(member, at)))
        assert zlib.crc32(member[at : at + 76]) == slot["crc"]
        if slot["entries"]:
            yield group, slot


def identity(*fields):
    return msgpack.packb(list(fields), use_bin_type=True)


def main(path):
    archive = tarfile.open(path)
    assert archive.getnames()[0] == "manifest.json"
    manifest = json.load(archive.extractfile("manifest.json"))
    sums = dict(line.split("  ")[::-1] for line in archive.extractfile("SHA256SUMS").read().decode().splitlines())
    for name, expected in sums.items():
        assert hashlib.sha256(archive.extractfile(name).read()).hexdigest() == expected, name
    operators = {operator["uid"]: operator for operator in manifest["operators"]}
    nodes, found = {}, []
    for table in manifest["tables"]:
        operator = operators[table["operator"]]
        codec = table["codec"]
        node = hashlib.sha256(b"tidemark table 1\n")
        node.update(
            identity(table["name"], table["kind"], codec["id"], codec["version"], table["schemaVersion"], table["mapKey"])
        )
        shown, total, last = [], 0, None
        if table["entries"]:
            member = archive.extractfile("data/%05d.blocks" % table["id"]).read()
            count = 1 if table["kind"] in UNKEYED else operator["maxParallelism"]
            for group, slot in slots(member, count):
                at = slot["offset"] + slot["stored"]
                listing = member[at : at + slot["list"]]
                assert zlib.crc32(listing[:-4]) == int.from_bytes(listing[-4:], "little")
                leaf, elements, last = hashlib.sha256(), [], None
                for block, expected, separator in blocks(member, slot, listing):
                    leaf.update(block)
                    for number, (zero, of, key, map_key, value, order) in enumerate(entries(block)):
                        assert (zero, of) == (0, group)
                        assert last is None or last < order
                        assert number > 0 or order.startswith(separator)
                        last = order
                        elements.append(hashlib.sha256(value).digest())
                        total += 1
                        if len(shown) < 3 and len(value) < 100:
                            shown.append([unpacked(key), unpacked(value)])
                if table["kind"] in MULTISETS:
                    leaf = hashlib.sha256(b"".join(sorted(elements)))
                assert leaf.digest() == slot["leaf"]
                node.update(struct.pack("<IQ", group, slot["entries"]) + slot["leaf"])
        nodes.setdefault(table["operator"], []).append(node.digest())
        found.append({"state": "%s.%s" % (table["operator"], table["name"]), "entries": total, "first": shown})
    snapshot = hashlib.sha256(b"tidemark snapshot 1\n")
    for uid in sorted(nodes, key=lambda uid: uid.encode()):
        operator = operators[uid]
        mark = b"tidemark operator 1\n" + identity(uid, operator["maxParallelism"], operator["keyType"])
        snapshot.update(hashlib.sha256(mark + b"".join(nodes[uid])).digest())
    print(json.dumps({"digest": snapshot.hexdigest(), "tables": found}))


def unpacked(data):
    """Our extensions as their type and bytes."""
    if not data:
        return None
    ext = lambda code, content: {"ext": code, "hex": content.hex()}
    value = msgpack.unpackb(data, ext_hook=ext, timestamp=0, strict_map_key=False)
    return json.loads(json.dumps(value, default=lambda other: repr(other)))


main(sys.argv[1])
