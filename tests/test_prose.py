"""What a program can see of plain English: how docstrings begin, and words that puzzle a reader."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "src", ROOT / "scripts", ROOT / "tests")

LONGEST = 15
"""The most words of a docstring's first line; shapes and code are not counted by their parts.

Tests may have longer ones: they name a property.
"""

FRAGMENT = re.compile(
    r"(?:About|After|Also|And|As|At|Because|Before|But|By|Else|Following|For|From|How|If|"
    r"In|Into|Is|It|Its|Like|None|Not|Nothing|Of|On|Once|Only|Or|Others|Otherwise|"
    r"Since|So|That|Their|Them|There|They|This|Those|Though|Through|To|True|Unless|"
    r"Until|What|Whatever|When|Where|Whether|Which|While|Who|Whom|Whose|Why|With|"
    r"Without|Yet|The same)\b"
)
"""A first line that begins so has no verb, or needs the name above it."""

BEGINNING = re.compile(
    r"""
      [A-Z]                  # a word
    | \([\w, ]*\)[\s:]        # the shape of an array: (N, T, F)
    | `[^`]+`(?!,|\.|\sas\s|\sin\s|\sof\s|\sfor\s|\swith\s|\swhere\s)   # code, then a verb or colon
    | >>>                    # an example
    """,
    re.VERBOSE,
)

DIALECT = {
    r"(?<![Tt]here) (?:is|are) no (?!longer|more)": "is not a ...; has no ...",
    r"(?<![Tt]here) (?:is|are) none\b": "is not one; is missing",
    r"\ballowed (?:are|is)\b": "must be ...",
    r"\bneeded (?:are|is)\b": "must be ...; expected ...",
    r"\btold (?:apart|from)\b": "distinguished; significantly different",
    r"\bgo(?:es|ing)? on (?:from|with|together)\b": "continues, resumes",
    r"\bone \w+ only\b": "only one ...",
    r"\b(?:those|that) of which\b": "whose",
    r"\bthat which\b": "what, the one that",
    r"\bwhom\b": "the noun",
    r"\bno matter of\b": "is not part of",
    r"\bnot those that\b": "have changed; differ from",
    r"\bwithout a word\b": "silently",
}
"""Phrases that no message, docstring or comment has, each with what to say instead."""


class Line(NamedTuple):
    path: Path
    number: int
    text: str


def modules() -> list[Path]:
    paths = [path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))]
    return [path for path in paths if path != Path(__file__)]  # the phrases stand here


def first_lines() -> Iterator[tuple[Line, bool]]:
    """Yields the first line of each docstring, and whether it is one below an attribute."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            for place, statement in enumerate(node.body):
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    text = statement.value.value
                    if isinstance(text, str) and not (place and isinstance(node, ast.FunctionDef)):
                        line = Line(path, statement.lineno, text.strip().split("\n", 1)[0])
                        yield line, place > 0


def listed(lines: list[Line]) -> str:
    """Returns one line for each, which editors and terminals can follow: `file:line: text`."""
    return "\n".join(f"{path.relative_to(ROOT)}:{number}: {text}" for path, number, text in lines)


def count_words(text: str) -> int:
    """Counts the words of a line: code is one word, what stands in parentheses is none."""
    text = re.sub(r"\([^()]*\)|->", " ", re.sub(r"`[^`]*`", "code", text))
    return len(text.split())


def test_the_first_line_of_a_docstring_is_a_whole_and_short_sentence():
    """The sentence begins with a capital, a shape or code, and not as a fragment does."""
    offenders = list[Line]()
    for line, of_attribute in first_lines():
        begins = BEGINNING.match(line.text) and not FRAGMENT.match(line.text)
        ends = line.text.endswith(".") or ">>>" in line.text
        is_test = line.path.is_relative_to(ROOT / "tests")
        short = of_attribute or is_test or count_words(line.text) <= LONGEST or ">>>" in line.text
        if not (begins and ends and short):
            offenders.append(line)
    assert not offenders, f"{len(offenders)} first lines:\n{listed(offenders)}"


def test_the_phrases_of_the_old_dialect_are_not_used():
    offenders = list[Line]()
    for path in modules():
        text = path.read_text()
        for phrase, better in DIALECT.items():
            # A phrase may be broken over two lines of a docstring.
            for match in re.finditer(phrase.replace(" ", r"\s+"), text):
                number = text.count("\n", 0, match.start()) + 1
                line = text.splitlines()[number - 1].strip()
                offenders.append(Line(path, number, f"{line}  [say: {better}]"))
    assert not offenders, f"{len(offenders)} phrases:\n{listed(offenders)}"
