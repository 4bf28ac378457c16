"""How the application itself reads a chain: load the whole file, then hash the canonical JSON of every block again.

usage: application.py PATH

It prints how many blocks and entries agree with their hash. Written for this benchmark from the description of the hash;
it is what the application does when it loads, builds and validates a chain, without the cost of its own objects.
"""

import gzip
import hashlib
import json
import sys

ALWAYS = (("metadata", {}), ("validation_paraphrases", []), ("validation_status", "pending"))
IF_TRUE = ("derivative_type", "parent_refs", "public_key", "signature")


def kept(entry):
    result = {name: entry[name] for name in ("author", "content", "intent", "timestamp")}
    for name, default in ALWAYS:
        result[name] = entry.get(name, default)
    result["metadata"] = result["metadata"] or {}
    for name in IF_TRUE:
        if entry.get(name):
            result[name] = entry[name]
    return result


def block_hash(block):
    hashed = {
        "entries": [kept(entry) for entry in block["entries"]],
        "index": block["index"],
        "nonce": block.get("nonce", 0),
        "previous_hash": block["previous_hash"],
        "timestamp": block["timestamp"],
    }
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def main(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    chain = json.loads(data.decode())["chain"]
    good = sum(block_hash(block) == block["hash"] for block in chain)
    linked = sum(after["previous_hash"] == before["hash"] for before, after in zip(chain, chain[1:]))
    entries = sum(len(block["entries"]) for block in chain)
    print(f"{good} of {len(chain)} blocks hash right, {linked} links hold, {entries} entries")
    return 0 if good == len(chain) and linked == len(chain) - 1 else 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
