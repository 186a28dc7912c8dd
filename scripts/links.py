"""Turns a page's links to files of the repository into addresses, or into plain text.

`tool.seqsweep.repository` in pyproject.toml holds the address of the repository. While it is empty,
a link has nothing to lead to outside of a checkout. The wheel's description and the site of the
documents use this module.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def repository() -> str:
    """Returns the address of the repository, "" while it has none."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["tool"]["seqsweep"]["repository"].rstrip("/")


def with_addresses(text: str, page: Path, address: str, inside: Path | None = None) -> str:
    """Returns a Markdown text whose links to files are addresses, or texts.

    They are texts if there is no address, and an image is left out. Web addresses and places in
    the same page stay.

    Args:
        page: the file of the text, to which its links are relative.
        inside: a folder; links to files in it stay as they are.
    """

    def replaced(link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        name, hash_mark, place = target.partition("#")
        if not name or re.match(r"\w+:", target):
            return link[0]
        path = (page.parent / name).resolve()
        if inside is not None and path.is_relative_to(inside):
            return link[0]
        if not address:
            return "" if mark else words
        kind = "raw" if mark else "blob"
        where = path.relative_to(ROOT).as_posix()
        return f"{mark}[{words}]({address}/{kind}/main/{where}{hash_mark}{place})"

    return _LINK.sub(replaced, text)
