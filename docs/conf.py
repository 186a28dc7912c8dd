"""The site of the documents: `make site` writes it to build/site, with a gallery of reports."""

import json
import re
import sys
from html import unescape
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRA = ROOT / "build" / "gallery"
sys.path.insert(0, str(ROOT / "scripts"))

from links import repository, with_addresses  # noqa: E402

project = html_title = "seqsweep"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown", ".ipynb": "markdown"}  # `change_source` makes Markdown of both
html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}  # the pages are written, not viewed, elsewhere
html_show_copyright = html_show_sphinx = False
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # a line of a notebook that begins with !
html_extra_path = ["schema.json", *([str(EXTRA)] if EXTRA.exists() else [])]


def change_source(app, docname, source):
    """Makes pages of notebooks, addresses or texts of links, and lists the gallery's reports."""
    page = Path(app.env.doc2path(docname))
    text = notebook_page(source[0]) if page.suffix == ".ipynb" else source[0]
    text = with_addresses(text, page, repository(), inside=ROOT / "docs")
    # A link that reads as the name of a page gets the page's title; docs.md means little here.
    text = re.sub(r"\[([\w-]+\.md)\]\(\1\)", r"[](\1)", text)
    if docname == "index":
        names = sorted(path.stem for path in EXTRA.glob("gallery/*.html"))
        items = (f'<li><a href="gallery/{name}.html">{name}</a></li>' for name in names)
        text += f"\n<ul>{''.join(items)}</ul>\n"
    source[0] = text


def notebook_page(text):
    """Returns the Markdown of a notebook, with what its cells have printed."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else fenced("python", source))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                parts.append(
                    f'<img alt="" src="data:image/png;base64,{data["image/png"].strip()}">'
                )
                continue
            html, plain = ("".join(data.get(f"text/{kind}", "")) for kind in ("html", "plain"))
            printed = "".join(output.get("text", "")) or plain
            # rich's lines are texts in both forms, and ours read better as such.
            is_table = html and "Menlo" not in html
            parts.append(fenced("{raw} html", html) if is_table else fenced("text", printed))
    return "\n\n".join(parts)


def fenced(language, text):
    """Returns a block of a language; of a line that was redrawn, its last state."""
    lines = [line.rpartition("\r")[2].rstrip() for line in unescape(text).strip("\n").splitlines()]
    return "\n".join([f"````{language}", *(lines if language != "{raw} html" else [text]), "````"])


def open_to_keyboards(app, pagename, templatename, context, doctree):
    """Lets the arrow keys scroll blocks of code, and makes no headers of empty cells."""
    body = context.get("body", "")
    body = body.replace("<pre>", '<pre tabindex="0">')
    body = body.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')
    context["body"] = re.sub(r"<th([^>]*)>((?:<p></p>)?)</th>", r"<td\1>\2</td>", body)


def name_asides(app, exception):
    """Gives the theme's two side bars names, by which a screen reader tells them apart."""
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for kind, name in (("sidebar", "pages"), ("toc", "sections of this page")):
            aside = f'<aside class="{kind}-drawer'
            text = text.replace(aside, f'<aside aria-label="{name}" class="{kind}-drawer')
        page.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("build-finished", name_asides)
    app.connect("source-read", change_source)
    app.connect("html-page-context", open_to_keyboards)
