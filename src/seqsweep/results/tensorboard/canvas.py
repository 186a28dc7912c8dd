"""Plots drawn by Pillow: lines, dots, cells and texts on axes.

TensorBoard depends on Pillow. To import a plotting library would take longer than to draw all
pictures of a sweep. No function depends on global state, so threads may draw.
"""

import io
import itertools
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageDraw, ImageFont

from seqsweep.results.formatting import true_minus

WIDTH, HEIGHT = 550, 440
"""The size of a picture in pixels. TensorBoard's page shows two or three of them side by side."""

LARGE, SMALL = 15, 12
"""The heights of a title and of a label, in pixels."""

BLACK, _GRID, _FRAME = "#000000", "#E7E7E7", "#CCCCCC"
_FONT = Path(__file__).with_name("font") / "DejaVuSans.ttf"
_SCALE = 3
"""Everything is drawn this many times larger and then reduced, which smooths the edges."""

_DASH, _SPACE = 8.0, 4.0
_MOST_TICKS = 9

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


class Plot:
    """A picture with one pair of axes.

    Args:
        box: the box of the axes, in pixels.
        x: the values at the left and right end of the x axis.
        y: the values at the lower and upper end of the y axis.

    Attributes:
        texts: all texts in the order in which they were written.
    """

    def __init__(self, box: Box, x: Point, y: Point) -> None:
        self.box, self._x, self._y = box, x, y
        self.texts: list[str] = []
        self._label_left = box[0]  # The left end of the labels of the y axis.
        self._image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), "white")
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
        box = _scaled(x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, fill=colour, outline=edge, width=_SCALE if edge else 0)

    def cell(self, first: Point, last: Point, colour: str) -> None:
        """Fills the rectangle between two points of the axes."""
        (left, bottom), (right, top) = self.at(*first), self.at(*last)
        self._draw.rectangle(_scaled(left, top, right, bottom), fill=colour)

    def text(
        self, at: Point, text: str, anchor: str = "mm", size: int = SMALL,
        colour: str = BLACK, upright: bool = False,
    ) -> None:  # fmt: skip
        """Writes a text at a pixel.

        Args:
            anchor: the point of the text that lies on the pixel, by Pillow's names: `lm` is the
                middle of the left end.
            upright: whether the text reads upwards.
        """
        self.texts.append(text)
        x, y = _scaled(*at)
        if not upright:
            self._draw.text((x, y), text, colour, _font(size * _SCALE), anchor)
            return
        mask = _upright_mask(text, size * _SCALE)
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
            across, _ = self.at(value, self._y[0])
            self._path([(across, top), (across, bottom)], _GRID, 1)
        for value in y:
            _, down = self.at(self._x[0], value)
            self._path([(left, down), (right, down)], _GRID, 1)

    def ticks(self, x: dict[float, str], y: dict[float, str], upright: bool = False) -> None:
        """Marks values on both axes and writes their labels.

        Args:
            upright: whether the labels of the x axis read upwards.
        """
        left, _, _, bottom = self.box
        for value, label in x.items():
            across, _ = self.at(value, self._y[0])
            self._path([(across, bottom), (across, bottom + 5)], BLACK, 1)
            self.text((across, bottom + 8), label, "rm" if upright else "mt", upright=upright)
        self._label_left = left - 8 - max(map(text_width, y.values()), default=0.0)
        for value, label in y.items():
            _, down = self.at(self._x[0], value)
            self._path([(left - 5, down), (left, down)], BLACK, 1)
            self.text((left - 8, down), label, "rm")

    def titles(self, title: str, x: str, y: str = "") -> None:
        """Writes the title of the plot and the titles of the axes."""
        left, top, right, bottom = self.box
        middle = (left + right) / 2
        # A long title must not leave the picture on the right.
        furthest = WIDTH - text_width(title, LARGE) / 2 - 2
        self.text((min(middle, furthest), top - 13), title, size=LARGE)
        self.text((middle, HEIGHT - 14), x, size=LARGE)
        if y:
            self.text((self._label_left - 14, (top + bottom) / 2), y, size=LARGE, upright=True)

    def legend(self, at: Point, entries: Sequence[tuple[str, str, float, bool]]) -> None:
        """Draws a legend with its upper left corner at a pixel.

        Args:
            entries: for each line its label, its colour, its width, and whether it is dashed.
        """
        left, top = at
        width, height = legend_size([label for label, *_ in entries])
        box = _scaled(left, top, left + width, top + height)
        self._draw.rounded_rectangle(box, 3 * _SCALE, "white", _FRAME, _SCALE)
        for index, (label, colour, thickness, dashed) in enumerate(entries):
            y = top + 12 + 16 * index
            self._path([(left + 7, y), (left + 30, y)], colour, thickness, dashed)
            self.text((left + 36, y), label, "lm")

    def png(self) -> bytes:
        """Returns the picture as the content of a file."""
        buffer = io.BytesIO()
        self._image.reduce(_SCALE).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()

    def _path(
        self, points: Sequence[Point], colour: str, width: float, dashed: bool = False
    ) -> None:
        if len(points) < 2:
            return
        # Pillow itself draws no dashes.
        for part in _dashes(points) if dashed else [points]:
            scaled = [_scaled(*point) for point in part]
            self._draw.line(scaled, colour, round(width * _SCALE), joint="curve")


def text_width(text: str, size: int = SMALL) -> float:
    return _font(size * _SCALE).getlength(text) / _SCALE


def legend_size(labels: Iterable[str]) -> Point:
    widths = [text_width(label) for label in labels]
    return 44 + max(widths, default=0.0), 8 + 16 * len(widths)


def font_has(char: str) -> bool:
    """Returns whether the font has a character.

    The font draws the same box for all characters that it lacks.
    """
    return _drawn(char) != _drawn("\U0010ffff")


def mixed(colour: str, share: float) -> str:
    """Returns a mixture of a share of a colour with white."""
    parts = ImageColor.getrgb(colour)
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
    # The smallest round step that gives at most nine ticks.
    power = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    steps = (step * power for step in (1, 2, 2.5, 5, 10, 20, 25, 50))
    step = next(step for step in steps if (high - low) / step <= _MOST_TICKS)
    multiples = range(math.ceil(low / step), math.floor(high / step) + 1)
    return {multiple * step: true_minus(f"{multiple * step:.6g}") for multiple in multiples}


def _scaled(*pixels: float) -> tuple[float, ...]:
    return tuple(_SCALE * pixel for pixel in pixels)


def _dashes(points: Sequence[Point]) -> list[list[Point]]:
    """Returns the drawn parts of a dashed line.

    A dash goes on around the corners of the line, so a part may have more than two points.
    """
    parts: list[list[Point]] = []
    is_dash, left = False, 0.0  # The current dash or space, and what is left of its length.
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        length, done = math.hypot(to_x - x, to_y - y), 0.0
        while done < length:
            if not left:
                is_dash = not is_dash
                left = _DASH if is_dash else _SPACE
                if is_dash:
                    parts.append([])
            step = min(left, length - done)
            if is_dash:
                parts[-1] += [
                    (x + (to_x - x) * part / length, y + (to_y - y) * part / length)
                    for part in (done, done + step)
                ]
            done, left = done + step, left - step
            left = left if left > 1e-9 else 0.0  # Rounding leaves no tiny dashes.
    return parts


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size, layout_engine=ImageFont.Layout.BASIC)


def _drawn(char: str) -> bytes:
    image = Image.new("L", (2 * SMALL, 2 * SMALL))
    ImageDraw.Draw(image).text((0, 0), char, 255, _font(SMALL))
    return image.tobytes()


def _upright_mask(text: str, size: int) -> Any:
    """Returns a mask of a text that reads upwards."""
    # One pixel is left free around the text.
    left, top, right, bottom = _font(size).getbbox(text or " ")
    mask = Image.new("L", (math.ceil(right - left) + 2, math.ceil(bottom - top) + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), text, 255, _font(size))
    return mask.transpose(Image.Transpose.ROTATE_90)
