#!/usr/bin/env python3
"""Verifying backups, side by side in one run with what bounds it and with the application's way.

usage: compare.py [--bytes N,N…] [--rounds R] [--application-rounds R] [--stream N] [--folder DIR]

Generates a chain of each size (seeded, so the same on every machine), plain and gzipped, and times on it

    verify       this crate, the example `verify` of a release build
    gzip         gzip -dc FILE | sha256sum
    pigz         pigz -dc FILE | sha256sum
    sha256sum    sha256sum FILE, coreutils' own
    openssl      openssl dgst -sha256 FILE, which uses the processor's SHA instructions where it has them
    application  application.py FILE: json.loads, canonical dump and SHA-256 of every block

Commands take turns, round by round, so that a slow minute of the machine hits all of them; quoted is the fastest round of
each, because everything that disturbs a run makes it slower. Memory is the largest resident set of any one process, as
the kernel counts it. `--stream N` also pipes a chain of N bytes from the generator into `verify -`, plain and gzipped.
Needs gzip, pigz, coreutils, openssl and cargo. The files (about 1.3 times the sizes) go to DIR and are removed at the end.
"""

import argparse
import os
import pathlib
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def run(command):
    """Seconds, processor seconds and the largest resident set (KiB) of a shell command."""
    read, write = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        # The command's own process waits for the pipeline, so that the usage of its children is the pipeline's alone.
        os.close(read)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        status = subprocess.call(["bash", "-o", "pipefail", "-c", command])
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(write, f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())
        os._exit(status)
    os.close(write)
    told = os.read(read, 100).decode()
    os.close(read)
    status = os.waitpid(child, 0)[1]
    wall = time.monotonic() - start
    if status:
        sys.exit(f"{command}: exit {os.waitstatus_to_exitcode(status)}")
    processor, memory = told.split()
    return wall, float(processor), int(memory)


def measure(commands, rounds, seldom):
    """The fastest round of each; commands named in `seldom` run in that many rounds only."""
    best = {}
    for turn in range(rounds):
        for name, command in commands.items():
            if turn >= seldom.get(name, rounds):
                continue
            wall, processor, memory = run(command)
            before = best.get(name, (float("inf"), float("inf"), 0))
            best[name] = (min(wall, before[0]), min(processor, before[1]), max(memory, before[2]))
    return best


def table(title, size, best):
    ours = best["verify"][0]
    print(f"\n### {title}\n")
    print("| | wall s | MB/s of JSON | processor s | memory MiB | verify is |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, (wall, processor, memory) in best.items():
        factor = "" if name == "verify" else f"{wall / ours:.2f} × as fast"
        print(f"| {name} | {wall:.2f} | {size / wall / 1e6:.0f} | {processor:.2f} | {memory / 1024:.0f} | {factor} |")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bytes", default="205000000,1000000000")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--application-rounds", type=int, default=2)
    parser.add_argument("--stream", type=int, default=0)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    for tool in ("gzip", "pigz", "sha256sum", "openssl", "cargo"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is needed")
    subprocess.check_call(["cargo", "build", "--release", "--locked", "-q", "-p", "backup", "--examples"], cwd=ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    verify, generate = (shlex.quote(str(target / "release/examples" / name)) for name in ("verify", "generate"))
    application = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'application.py'))}"
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size in filter(None, map(int, options.bytes.split(","))):
            plain, gzipped = f"{folder}/chain.json", f"{folder}/chain.json.gz"
            subprocess.check_call(f"{generate} --bytes {size} > {plain} && pigz -6 -p 2 -k -c {plain} > {gzipped}", shell=True)
            actual = os.path.getsize(plain)
            seldom = {"application": options.application_rounds}
            table(
                f"{actual / 1e6:.0f} MB, gzipped to {os.path.getsize(gzipped) / 1e6:.0f} MB",
                actual,
                measure(
                    {
                        "verify": f"{verify} {gzipped}",
                        "gzip": f"gzip -dc {gzipped} | sha256sum",
                        "pigz": f"pigz -dc {gzipped} | sha256sum",
                        "application": f"{application} {gzipped}",
                    },
                    options.rounds,
                    seldom,
                ),
            )
            table(
                f"{actual / 1e6:.0f} MB, plain",
                actual,
                measure(
                    {
                        "verify": f"{verify} {plain}",
                        "sha256sum": f"sha256sum {plain}",
                        "openssl": f"openssl dgst -sha256 {plain}",
                        "application": f"{application} {plain}",
                    },
                    options.rounds,
                    seldom,
                ),
            )
    if options.stream:
        # The generator and the compressor share the machine with the verification, so only the memory means something.
        for name, pack in (("plain", ""), ("gzipped", "pigz -1 -p 2 | ")):
            with tempfile.NamedTemporaryFile("r") as told:
                inner = f"/usr/bin/time -f %M -o {told.name} {verify} -"
                wall, _, _ = run(f"{generate} --bytes {options.stream} | {pack}{inner}")
                print(f"\nstream of {options.stream / 1e9:.0f} GB, {name}: {int(told.read()) / 1024:.0f} MiB, {wall:.0f} s with its generator")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
