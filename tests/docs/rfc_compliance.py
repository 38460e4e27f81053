"""Checks that each test that docs/rfc-compliance.md names is there: rfc_compliance.py SOURCE_ROOT."""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
text = (root / "docs/rfc-compliance.md").read_text()
# One or more titles, then the file that they are in.
named = re.findall(r'((?:(?:"[^"|]+"|`test_\w+`)(?:,| and)? ?)+)\(`([\w/]+\.(?:cc|py))`\)', text)
wrong = []
for titles, name in named:
    path = root / "tests" / name
    # A long title may be written in pieces, which the compiler puts together.
    code = re.sub(r'"\s*\n\s*"', "", path.read_text()) if path.exists() else ""
    for title, function in re.findall(r'"([^"]+)"|`(test_\w+)`', titles):
        if (f'"{title}"' if title else f"def {function}(") not in code:
            wrong.append(f"tests/{name} has no {title or function}")
if wrong or len(named) < 50:
    sys.exit("\n".join(wrong) or f"only {len(named)} tests are named: has the form changed?")
print(f"{len(named)} places name tests that are there")
