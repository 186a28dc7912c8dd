"""The site of the documents: `make site` writes it to build/site, with a gallery of reports."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRA = ROOT / "build" / "gallery"
sys.path.insert(0, str(ROOT / "scripts"))

from links import repository, with_addresses  # noqa: E402

project = html_title = "seqsweep"
extensions = ["myst_parser"]
html_theme = "furo"
myst_heading_anchors = 4
exclude_patterns = ["analysis.ipynb"]
html_extra_path = ["schema.json", *([str(EXTRA)] if EXTRA.exists() else [])]


def change_source(app, docname, source):
    """Makes links out of docs/ addresses or texts, and lists the reports of the gallery."""
    page = Path(app.env.doc2path(docname))
    text = with_addresses(source[0], page, repository(), inside=page.parent)
    if docname == "index":
        names = sorted(path.stem for path in EXTRA.glob("gallery/*.html"))
        items = (f'<li><a href="gallery/{name}.html">{name}</a></li>' for name in names)
        text += f"\n<ul>{''.join(items)}</ul>\n"
    source[0] = text.replace("```mermaid", "```text")  # its pictures need a script of another site


def setup(app):
    app.connect("source-read", change_source)
