"""Render the book to plain HTML with pandoc, to be looked at where Quarto isn't installed.

Usage: ``python tests/book/preview.py OUT``. Cells are executed and their outputs embedded;
callouts fold, references and citations resolve. Diagrams are shown as their source.
"""

import argparse
import html
import re
from pathlib import Path
from typing import Any

import pypandoc
from bookcheck import Book, load_book
from bookpages import CODE_SPAN, INLINE, MENTION, Block, Page
from bookrun import PageRun, run_page

__all__ = ["figure_numbers", "main", "render_book", "render_page"]

ROOT = Path(__file__).resolve().parents[2]
CALLOUT = re.compile(r"^:::+ *\{\.callout-\w+([^}]*)\}\n(.*?)^:::+ *$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]*)"')
STYLE = """
body { max-width: 54rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5;
  font-family: system-ui, sans-serif; color: #1b1b1b; }
pre { background: #f5f5f5; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem; }
pre.output { background: #fff; border-left: 3px solid #0072b2; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; }
th, td { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; vertical-align: top; }
details { border-left: 3px solid #767676; padding: .2rem .8rem; margin: .6rem 0; }
figure { margin: 1rem 0; } img { max-width: 100%; }
figcaption, .note { color: #555; font-size: .9rem; }
.term { font-style: italic; }
"""


def render_book(book: Book, out: Path) -> list[Path]:
    """Write every page of the book below ``out``; return the files."""
    numbers = figure_numbers(book)
    written = []
    for name, page in book.pages.items():
        run = run_page(page) if page.cells else PageRun()
        for problem in run.problems:
            print(f"problem: {problem}")
        target = out / Path(name).with_suffix(".html")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render_page(book, page, run, numbers), encoding="utf-8")
        written.append(target)
    return written


def render_page(book: Book, page: Page, run: PageRun, numbers: dict[str, str]) -> str:
    """Turn one executed page into a whole HTML document."""
    values = iter(run.values)
    parts = []
    for place, block in enumerate(page.blocks):
        if block.kind == "prose":
            parts.append(_prose(block.text, values, numbers))
        elif block.kind == "cell":
            parts.append(_cell(block, run.outputs.get(place, []), numbers))
        else:
            parts.append(_source(block, numbers))
    title = str(page.front.get("title", ""))
    heading = f"# {title}\n\n{page.front.get('subtitle', '')}\n\n" if title else ""
    body = pypandoc.convert_text(
        heading + "\n\n".join(parts),
        "html5",
        format="markdown+emoji",
        extra_args=["--citeproc", f"--bibliography={book.root / book.config['bibliography']}"],
    )
    body = re.sub(r'href="([^":]+)\.qmd', r'href="\1.html', body)
    return (
        '<!DOCTYPE html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        f"<title>{html.escape(title or page.name)}</title><style>{STYLE}</style></head>"
        f"<body>\n{body}</body></html>\n"
    )


def figure_numbers(book: Book) -> dict[str, str]:
    """Say for each label what a reference to it reads like."""
    numbers = {}
    for page in book.pages.values():
        count = {"fig": 0, "tbl": 0}
        for anchor in page.anchors():
            kind = anchor.split("-")[0]
            if kind in count:
                count[kind] += 1
                numbers[anchor] = f"{'Figure' if kind == 'fig' else 'Table'} {count[kind]}"
        numbers |= {h.anchor: h.text for h in page.headings() if h.anchor.startswith("sec-")}
    return numbers


def _prose(text: str, values: Any, numbers: dict[str, str]) -> str:
    text = INLINE.sub(lambda _: next(values, "?"), text)
    text = CALLOUT.sub(_folded, text)
    pieces, end = [], 0
    for span in CODE_SPAN.finditer(text):
        pieces += [_mentions(text[end : span.start()], numbers), span[0]]
        end = span.end()
    return "".join([*pieces, _mentions(text[end:], numbers)])


def _folded(callout: re.Match[str]) -> str:
    title = TITLE.search(callout[1])
    summary = title[1] if title else "Note"
    return f"<details><summary>{summary}</summary>\n\n{callout[2]}\n</details>"


def _mentions(text: str, numbers: dict[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        label = match[2]
        return f"[{numbers[label]}](#{label})" if label in numbers else match[0]

    return MENTION.sub(replace, text)


def _cell(block: Block, outputs: list[Any], numbers: dict[str, str]) -> str:
    if block.options.get("include") is False:
        return ""
    parts = []
    if block.options.get("echo", True):
        parts.append(f"```python\n{block.text.strip()}\n```")
    parts += [_output(block, output) for output in outputs]
    label = str(block.options.get("label", ""))
    if label.startswith("fig-"):
        caption = html.escape(str(block.options.get("fig-cap", "")))
        said = f"<figcaption>{numbers.get(label, label)}: {caption}</figcaption>"
        parts.append(f'<div id="{label}">{said}</div>')
    return "\n\n".join(parts)


def _output(block: Block, output: Any) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        alt = html.escape(str(block.options.get("fig-alt", "")), quote=True)
        source = data["image/png"].replace("\n", "")
        return f'<figure><img alt="{alt}" src="data:image/png;base64,{source}"></figure>'
    if "text/html" in data:
        return f"<div>\n{data['text/html']}\n</div>"
    text = output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback", []))
    return f'<pre class="output">{html.escape(text)}</pre>'


def _source(block: Block, numbers: dict[str, str]) -> str:
    shown = f"```{block.language}\n{block.text.strip()}\n```"
    label = str(block.options.get("label", ""))
    if not label:
        return shown
    caption = html.escape(str(block.options.get("fig-cap", "")))
    return f'{shown}\n\n<div id="{label}" class="note">{numbers[label]}: {caption}</div>'


def main() -> None:
    """Render the project's book into the folder that is named on the command line."""
    parser = argparse.ArgumentParser(description="Render the book with pandoc, to look at it.")
    parser.add_argument("out", type=Path, help="folder to write the pages to")
    for path in render_book(load_book(ROOT), parser.parse_args().out):
        print(path)


if __name__ == "__main__":
    main()
