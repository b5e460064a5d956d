#!/usr/bin/env python3
"""Packs the corpus of signaling payloads into corpus.jsonl.gz beside this script.

    python3 tests/data/pack.py CORPUS_DIRECTORY

Takes every *.jsonl of the directory, in the order of the file names, and leaves out what may not be
copied (origin "collected") and the members that no test reads. The result depends on the input only:
no time, no name, no machine goes into it.
"""
import gzip
import json
import pathlib
import sys

KEPT = ("name", "kind", "expect", "tag", "envelope", "why", "payload", "payload_b64", "b64_is")
COPYABLE = ("generated", "modelled", "handmade")


def entries(directory):
    for path in sorted(directory.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            entry = json.loads(line)
            if entry["origin"] in COPYABLE:
                yield {key: entry[key] for key in KEPT if key in entry}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    packed = list(entries(pathlib.Path(sys.argv[1])))
    if not packed:
        sys.exit("no entries found: name the directory that holds the *.jsonl files")
    text = "".join(json.dumps(e, separators=(",", ":"), ensure_ascii=True) + "\n" for e in packed)
    target = pathlib.Path(__file__).with_name("corpus.jsonl.gz")
    target.write_bytes(gzip.compress(text.encode("ascii"), compresslevel=9, mtime=0))
    print(f"{target.name}: {len(packed)} entries, {target.stat().st_size} bytes")


main()
