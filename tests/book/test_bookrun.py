"""The runner runs a page as Quarto does, and says where it fails."""

from bookpages import parse_page
from bookrun import run_page

BROKEN = """
```{python}
import sys
from pathlib import Path

number = 3
print("careful", file=sys.stderr)
Path("litter.txt").write_text("x")
```

It is `{python} f"{number:.1f}"`, then `{python} number`, `{python} None`.

```{python}
number = 4
number
```

Now `{python} number`.
"""


def test_a_page_is_run_in_order_in_one_kernel() -> None:
    """Inline values are taken where they stand; a warning, litter and an empty value are named."""
    run = run_page(parse_page("p.qmd", BROKEN))
    assert run.values == ["3.0", "3", "", "4"]
    said = "\n".join(run.problems)
    assert len(run.problems) == 3
    assert "p.qmd:3: the cell wrote to stderr: careful" in said
    assert "left ['litter.txt']" in said
    assert "p.qmd:11: the inline expression `None` has no value" in said


def test_a_failing_cell_is_named_with_its_line() -> None:
    """The first error is reported with page, line and reason, and nothing after it runs."""
    run = run_page(parse_page("p.qmd", "text\n\n```{python}\n1 / 0\n```\n\n`{python} 1`\n"))
    assert run.problems == ["p.qmd:4: the code raised ZeroDivisionError: division by zero"]
    assert run.values == [""]
