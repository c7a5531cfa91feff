"""The preview shows a page with everything resolved, without Quarto."""

from pathlib import Path

import preview
from bookcheck import Book
from bookpages import parse_page
from bookrun import PageRun

PAGE = """# Title {#sec-title}

It is `{python} x`, see @fig-a, [next](more.qmd#sec-b) and @key; `@fig-a` is code.

```{python}
#| label: fig-a
#| fig-cap: "A <caption>"
#| fig-alt: "What it shows"
draw()
```

```{python}
#| include: false
secret = 1
```

::: {.callout-note collapse="true" title="Answer"}
Because.
:::
"""


def test_a_page_is_shown_resolved(tmp_path: Path) -> None:
    """Values, figures, references, citations and folds appear; hidden cells don't."""
    (tmp_path / "s.bib").write_text("@book{key,\n author = {Author, An},\n year = {2001}}\n")
    page = parse_page("book/p.qmd", PAGE)
    book = Book(tmp_path, {"bibliography": "s.bib"}, {page.name: page}, ("key",))
    drawn = {"output_type": "display_data", "data": {"image/png": "AAAA"}}
    run = PageRun(outputs={1: [drawn]}, values=["3.14"])
    shown = preview.render_page(book, page, run, preview.figure_numbers(book))
    assert "It is 3.14" in shown
    assert '<a href="#fig-a">Figure 1</a>' in shown
    assert "Figure 1: A &lt;caption&gt;" in shown
    assert 'alt="What it shows" src="data:image/png;base64,AAAA"' in shown.replace("\n", " ")
    assert 'href="more.html#sec-b"' in shown
    assert "Author (2001)" in shown
    assert "<code>@fig-a</code>" in shown
    assert "<summary>Answer</summary>" in shown.replace("\n", "")
    assert "secret" not in shown
