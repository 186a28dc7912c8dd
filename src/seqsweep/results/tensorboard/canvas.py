"""Plots drawn by Pillow: lines, dots and cells on axes, with texts around them.

Pillow comes with TensorBoard. A plotting library would take longer to import than all pictures of a
sweep take to draw. Nothing here depends on the state of the process, so threads may draw.
"""

import io
import itertools
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from seqsweep.results.formatting import true_minus

WIDTH, HEIGHT = 550, 440
"""Pixels of a picture: TensorBoard's page shows two or three of this size side by side."""

LARGE, SMALL = 15, 12
"""Heights of a title and of a label, in pixels."""

BLACK, _GRID, _FRAME = "#000000", "#E7E7E7", "#CCCCCC"
_FONT = Path(__file__).with_name("font") / "DejaVuSans.ttf"
_FINER = 3
"""All is drawn so many times larger and then reduced, which smooths its edges."""

_DASH, _SPACE = 8.0, 4.0
_MOST_TICKS = 9

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


class Plot:
    """A picture with one pair of axes.

    Attributes:
        box: of the axes, in pixels.
        texts: all that is written, in its order.
    """

    def __init__(self, box: Box, x: Point, y: Point) -> None:
        """Makes an empty plot.

        Args:
            x, y: the ends of the axes, left and right, bottom and top.
        """
        self.box, self._x, self._y = box, x, y
        self.texts: list[str] = []
        size = WIDTH * _FINER, HEIGHT * _FINER
        self._labels = box[0]  # where those of the y axis begin
        self._image = Image.new("RGB", size, "white")
        self._draw = ImageDraw.Draw(self._image)

    def at(self, x: float, y: float) -> Point:
        """Returns the pixel of a point."""
        left, top, right, bottom = self.box
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return left + across * (right - left), bottom - up * (bottom - top)

    def line(
        self, points: Iterable[Point], colour: str, width: float, dashed: bool = False
    ) -> None:
        """Draws a line through points of the axes."""
        self._path([self.at(*point) for point in points], colour, width, dashed)

    def dot(self, point: Point, colour: str, radius: float, edge: str | None = None) -> None:
        x, y = self.at(*point)
        box = _finer(x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, fill=colour, outline=edge, width=_FINER if edge else 0)

    def cell(self, first: Point, last: Point, colour: str) -> None:
        """Fills the rectangle between two points of the axes."""
        (left, bottom), (right, top) = self.at(*first), self.at(*last)
        self._draw.rectangle(_finer(left, top, right, bottom), fill=colour)

    def text(
        self, at: Point, text: str, anchor: str = "mm", size: int = SMALL,
        colour: str = BLACK, upright: bool = False,
    ) -> None:  # fmt: skip
        """Writes a text at a pixel; it reads upwards where it is upright.

        Args:
            anchor: the point of the text that lies there, as Pillow names it: `lm` is the middle
                of its left end.
        """
        self.texts.append(text)
        x, y = _finer(*at)
        if not upright:
            self._draw.text((x, y), text, colour, _font(size * _FINER), anchor)
            return
        mask = _upright(text, size * _FINER)
        y -= 0 if anchor == "rm" else mask.height / 2
        self._image.paste(colour, (round(x - mask.width / 2), round(y)), mask)

    def frame(self) -> None:
        """Draws the edges of the axes."""
        left, top, right, bottom = self.box
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        self._path(corners, BLACK, 1)

    def grid(self, x: dict[float, str], y: dict[float, str]) -> None:
        """Draws a grey line at each tick."""
        left, top, right, bottom = self.box
        for value in x:
            place, _ = self.at(value, self._y[0])
            self._path([(place, top), (place, bottom)], _GRID, 1)
        for value in y:
            _, place = self.at(self._x[0], value)
            self._path([(left, place), (right, place)], _GRID, 1)

    def ticks(self, x: dict[float, str], y: dict[float, str], upright: bool = False) -> None:
        """Marks values on both axes and writes their labels.

        Args:
            upright: whether the labels of the x axis are.
        """
        left, _, _, bottom = self.box
        for value, label in x.items():
            place, _ = self.at(value, self._y[0])
            self._path([(place, bottom), (place, bottom + 5)], BLACK, 1)
            self.text((place, bottom + 8), label, "mt" if not upright else "rm", upright=upright)
        self._labels = left - 8 - max(map(text_width, y.values()), default=0.0)
        for value, label in y.items():
            _, place = self.at(self._x[0], value)
            self._path([(left - 5, place), (left, place)], BLACK, 1)
            self.text((left - 8, place), label, "rm")

    def titles(self, title: str, x: str, y: str = "") -> None:
        """Writes the title above, and beside the labels of the ticks what the axes show."""
        left, top, right, bottom = self.box
        middle = (left + right) / 2
        furthest = WIDTH - text_width(title, LARGE) / 2 - 2
        self.text((min(middle, furthest), top - 13), title, size=LARGE)
        self.text((middle, HEIGHT - 14), x, size=LARGE)
        if y:
            self.text((self._labels - 14, (top + bottom) / 2), y, size=LARGE, upright=True)

    def legend(self, at: Point, entries: Sequence[tuple[str, str, float, bool]]) -> None:
        """Draws a legend with its upper left corner at a pixel.

        Args:
            entries: of each line its label, colour, width and whether it is dashed.
        """
        left, top = at
        width, height = legend_size([label for label, *_ in entries])
        box = _finer(left, top, left + width, top + height)
        self._draw.rounded_rectangle(box, 3 * _FINER, "white", _FRAME, _FINER)
        for place, (label, colour, thickness, dashed) in enumerate(entries):
            y = top + 12 + 16 * place
            self._path([(left + 7, y), (left + 30, y)], colour, thickness, dashed)
            self.text((left + 36, y), label, "lm")

    def png(self) -> bytes:
        """Returns the picture as the content of a file."""
        buffer = io.BytesIO()
        self._image.reduce(_FINER).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()

    def _path(
        self, points: Sequence[Point], colour: str, width: float, dashed: bool = False
    ) -> None:
        if len(points) < 2:
            return
        for part in _dashes(points) if dashed else [points]:
            finer = [_finer(*point) for point in part]
            self._draw.line(finer, colour, round(width * _FINER), joint="curve")


def text_width(text: str, size: int = SMALL) -> float:
    return _font(size * _FINER).getlength(text) / _FINER


def legend_size(labels: Iterable[str]) -> Point:
    widths = [text_width(label) for label in labels]
    return 44 + max(widths, default=0.0), 8 + 16 * len(widths)


def is_known(char: str) -> bool:
    """Returns whether the font has a character; for one that it lacks it draws an own box."""
    return _drawn(char) != _drawn("\U0010ffff")


def mixed(colour: str, share: float) -> str:
    """Returns a share of a colour on white."""
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + share * (part - 255)):02X}" for part in parts)


def padded(values: Sequence[float]) -> Point:
    """Returns the ends of an axis with a little room around all values."""
    low, high = min(values), max(values)
    room = 0.05 * ((high - low) or abs(low) or 1.0)
    return low - room, high + room


def linear_ticks(ends: Point) -> dict[float, str]:
    """Returns round values between the ends of an axis, with their labels.

    >>> list(linear_ticks((-0.1, 2.1)).values())
    ['0', '0.25', '0.5', '0.75', '1', '1.25', '1.5', '1.75', '2']
    """
    low, high = ends
    power = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    steps = (step * power for step in (1, 2, 2.5, 5, 10, 20, 25, 50))
    step = next(step for step in steps if (high - low) / step <= _MOST_TICKS)
    places = range(math.ceil(low / step), math.floor(high / step) + 1)
    return {place * step: true_minus(f"{place * step:.6g}") for place in places}


def _finer(*places: float) -> tuple[float, ...]:
    return tuple(_FINER * place for place in places)


def _dashes(points: Sequence[Point]) -> list[list[Point]]:
    """Returns the drawn parts of a dashed line."""
    parts: list[list[Point]] = []
    left, draws = 0.0, False  # of the current dash or space
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        length, done = math.hypot(to_x - x, to_y - y), 0.0
        while done < length:
            if not left:
                left, draws = (_SPACE, False) if draws else (_DASH, True)
                parts += [[]] if draws else []
            step = min(left, length - done)
            ends = [
                (x + (to_x - x) * d / length, y + (to_y - y) * d / length)
                for d in (done, done + step)
            ]
            if draws:
                parts[-1] += ends
            done, left = done + step, left - step
            left = left if left > 1e-9 else 0.0
    return parts


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size, layout_engine=ImageFont.Layout.BASIC)


def _drawn(char: str) -> bytes:
    image = Image.new("L", (2 * SMALL, 2 * SMALL))
    ImageDraw.Draw(image).text((0, 0), char, 255, _font(SMALL))
    return image.tobytes()


def _upright(text: str, size: int) -> Any:
    """Returns a mask of a text that reads upwards."""
    left, top, right, bottom = _font(size).getbbox(text or " ")
    mask = Image.new("L", (math.ceil(right - left) + 2, math.ceil(bottom - top) + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), text, 255, _font(size))
    return mask.transpose(Image.Transpose.ROTATE_90)
