"""Write the versions that `uv lock` resolved into pyproject.toml as `constraint-dependencies`.

Run `rm uv.lock; uv lock --upgrade; python .ci/pin.py`, then the tests, to move to newer releases.
The lock file itself isn't committed: it names the registry that it was made with.
"""

import re
import subprocess
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
BLOCK = re.compile(r"^constraint-dependencies = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)
REQUIREMENT = re.compile(r"^[A-Za-z0-9_.-]+==[^\s\\]+( ; .+)?$")


def resolved() -> list[str]:
    """List what is resolved for every extra, group, platform and supported Python."""
    command = ["uv", "export", "--all-extras", "--all-groups", "--no-hashes", "--no-annotate"]
    text = subprocess.run(
        [*command, "--no-header", "--no-emit-project"],
        check=True,
        capture_output=True,
        text=True,
        cwd=PYPROJECT.parent,
    ).stdout
    return sorted(line.strip() for line in text.splitlines() if REQUIREMENT.match(line.strip()))


def main() -> None:
    """Replace the block in pyproject.toml."""
    lines = "".join(f"  {_quoted(line)},\n" for line in resolved())
    block = f"constraint-dependencies = [\n{lines}]\n"
    text = PYPROJECT.read_text(encoding="utf-8")
    replaced, count = BLOCK.subn(lambda _: block, text)
    if count != 1:
        raise SystemExit("pyproject.toml needs one `constraint-dependencies = [` block to replace")
    PYPROJECT.write_text(replaced, encoding="utf-8")


def _quoted(requirement: str) -> str:
    return "'" + requirement.replace("'", '"') + "'"


if __name__ == "__main__":
    main()
