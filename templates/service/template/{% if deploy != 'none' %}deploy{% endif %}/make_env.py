"""Write .env from .env.example, with passwords and keys of its own where those are left empty."""

import argparse
import os
import secrets
import sys
from pathlib import Path

MADE_UP = (
    "APP_ADMIN_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "GRAFANA_ADMIN_PASSWORD",
    "POSTGRES_PASSWORD",
)


def filled(example: str) -> str:
    """Fill in what is left empty and may be made up; letters and digits fit everywhere."""
    lines = []
    for line in example.splitlines():
        name, sign, value = line.partition("=")
        made_up = bool(sign) and not value.strip() and name in MADE_UP
        lines.append(f"{name}={secrets.token_hex(20)}" if made_up else line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write it, readable by oneself alone; what is there already stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[1])
    folder: Path = parser.parse_args().folder
    target = folder / ".env"
    try:
        text = filled((folder / ".env.example").read_text("utf-8"))
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        sys.stderr.write(f"{target} is there already; it stays as it is.\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}.\n")
        return 1
    sys.stdout.write(f"{target} is written. Keep it out of git.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
