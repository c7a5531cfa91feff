"""Draw the README's picture: what `autograder demo` prints, from a demo that has run.

Run `uv run autograder demo`, then `uv run python .ci/picture.py demo .github/images/demo.svg`.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from autograder.course import Course
from autograder.feedback import write_feedback
from autograder.grade import engine_named, grade_class
from autograder.summary import class_table

WIDTH = 124


def main(folder: Path, picture: Path) -> None:
    """Draw the class in ``folder`` into ``picture``."""
    course = Course.open(folder)
    engine = engine_named("nbgrader")
    report = grade_class(course, course.labs()[0], engine=engine, workers=1)
    pages = write_feedback(course, report.lab, engine=engine.name)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print("$ uv run autograder demo")
    console.print(f"Grading {report.lab} [green]{'━' * 40}[/] {len(report.submissions)} of them")
    console.print(class_table(report, width=WIDTH))
    console.print("Class report: demo/reports/" + report.lab + ".html")
    console.print(f"{len(pages)} feedback pages: demo/feedback")
    console.print("Marks (nbgrader's gradebook): demo/gradebook.db")
    drawn = console.export_svg(title="autograder demo")
    # The picture must not fetch fonts from anywhere.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
