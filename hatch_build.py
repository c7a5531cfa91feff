"""Put the labs' releases, never the labs, into what is published; the templates into the wheel."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["ReleasesHook"]

TARGET = "autograder/releases"


class ReleasesHook(BuildHookInterface):
    """Generate ``autograder/releases/`` from ``labs/``; an unpacked sdist has it already."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the releases to what is packed; an editable install reads ``labs/`` itself."""
        self._scratch = ""
        if version == "editable":
            return
        root = Path(self.root)
        if self.target_name == "wheel":
            build_data["force_include"][str(root / "templates")] = "mlops_kit/templates"
        if (root / "labs").is_dir():
            self._scratch = tempfile.mkdtemp(prefix="releases-")
            _generate(root, Path(self._scratch))
            build_data["force_include"][self._scratch] = TARGET
        elif (root / TARGET).is_dir():
            # Notebooks are in .gitignore, which would keep them out.
            build_data["artifacts"].append(f"/{TARGET}/**")

    def finalize(self, *_: object) -> None:
        """Remove the scratch folder."""
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _generate(root: Path, target: Path) -> None:
    sys.path.insert(0, str(root))
    try:
        from autograder.labs import find_labs
        from autograder.release import write_release
    finally:
        sys.path.remove(str(root))
    for lab in find_labs(root / "labs"):
        write_release(lab, target / lab.name)
