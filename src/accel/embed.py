"""Writes a file's bytes as the elements of a C array: embed.py INPUT OUTPUT."""

import pathlib
import sys

source, target = map(pathlib.Path, sys.argv[1:])
octets = source.read_bytes()
lines = (",".join(map(str, octets[at : at + 32])) for at in range(0, len(octets), 32))
target.write_text(",\n".join(lines) + "\n")
