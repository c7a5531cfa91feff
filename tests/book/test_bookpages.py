"""The parser sees what Quarto would see."""

from bookpages import parse_page

PAGE = """---
title: "T"
---

# 07 · Title {#sec-title}

See @sec-title and [@key2020; -@other_2021], not me@example.org nor `@sec-code`.

```{python}
#| label: fig-one
#| fig-alt: "Words: with a colon"
x = "# no heading, no @sec-ref"
```

```{mermaid}
%%| label: fig-two
flowchart LR
  a --> b
```

```bash
# a comment, not a heading
```

## A *second* heading: here

Value `{python} f"{x}"` and [a link](05-track.qmd#sec-a), ![words](p.png){fig-alt="w"}.
A [run]{.term} is one.
"""


def test_blocks_are_told_apart() -> None:
    """Cells, diagrams, listings and prose each get their kind, their line and their options."""
    page = parse_page("p.qmd", PAGE)
    assert page.front == {"title": "T"}
    kinds = [b.kind for b in page.blocks if b.text.strip()]
    assert kinds == ["prose", "cell", "diagram", "listing", "prose"]
    cell = page.cells[0]
    assert cell.options == {"label": "fig-one", "fig-alt": "Words: with a colon"}
    assert PAGE.split("\n")[cell.line - 1] == "#| label: fig-one"
    assert cell.text.strip() == 'x = "# no heading, no @sec-ref"'


def test_an_unclosed_fence_swallows_the_rest() -> None:
    """A fence that never closes doesn't stop the parser."""
    page = parse_page("p.qmd", "text\n\n```{python}\nx = 1\n")
    assert [b.kind for b in page.blocks] == ["prose", "cell"]


def test_headings_and_anchors() -> None:
    """Given ids are taken, the others are made as pandoc makes them; code holds no headings."""
    page = parse_page("p.qmd", PAGE)
    assert [(h.level, h.anchor) for h in page.headings()] == [
        (1, "sec-title"),
        (2, "a-second-heading-here"),
    ]
    assert {"sec-title", "fig-one", "fig-two", "a-second-heading-here"} <= set(page.anchors())


def test_what_points_is_found_and_code_points_nowhere() -> None:
    """References, citations, links and pictures are found in prose, not in code or addresses."""
    page = parse_page("p.qmd", PAGE)
    assert [r.target for r in page.cross_references()] == ["sec-title"]
    assert [c.target for c in page.citations()] == ["key2020", "other_2021"]
    assert [link.target for link in page.links()] == ["05-track.qmd#sec-a", "p.png"]
    assert [image.text for image in page.images()] == ["words"]
    assert [e.target for e in page.inline_expressions()] == ['f"{x}"']
    assert [t.target for t in page.terms()] == ["run"]


def test_sections_hold_the_prose_below_them() -> None:
    """A section ends where the next heading of its level or above begins."""
    page = parse_page("p.qmd", "# T\n\n## A\none\n### B\ntwo\n## C\nthree\n")
    assert page.sections() == {"A": "one\n### B\ntwo", "C": "three\n"}
