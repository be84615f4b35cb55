"""A plot with two logarithmic axes, as SVG. Knows points and names, not what they mean."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

__all__ = ["Series", "plot"]

Series: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 160, 40, 60
_COLOURS: Final = ("#1b6ca8", "#c8553d", "#2e8b57", "#8e44ad", "#b8860b", "#444444")
_PREFIXES: Final = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def plot(title: str, across: str, up: str, series: Series) -> str:
    """The plot; all values have to be above zero."""
    points = [point for line in series.values() for point in line]
    x_axis = _Axis([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis([y for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    body = [
        _text(_LEFT, 22, title, size=15),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, across, anchor="middle"),
        f'<g transform="rotate(-90 18 {_HEIGHT / 2})">',
        _text(18, _HEIGHT / 2, up, anchor="middle"),
        "</g>",
        *_grid(x_axis, y_axis),
        *_lines(series, x_axis, y_axis),
    ]
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n'
    ground = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n'
    return head + ground + "\n".join(body) + "\n</svg>\n"


class _Axis:
    """Decades from end to end."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._begin + share * (self._end - self._begin)

    def decades(self) -> Iterator[float]:
        return (10.0**power for power in range(self.low, self.high + 1))


def _grid(x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    for value in x_axis.decades():
        x = x_axis.place(value)
        yield _line(x, _TOP, x, _HEIGHT - _BOTTOM)
        yield _text(x, _HEIGHT - _BOTTOM + 18, _short(value), anchor="middle")
    for value in y_axis.decades():
        y = y_axis.place(value)
        yield _line(_LEFT, y, _WIDTH - _RIGHT, y)
        yield _text(_LEFT - 6, y + 4, _short(value), anchor="end")


def _lines(series: Series, x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        at = _TOP + 16 + 20 * number
        yield _line(_WIDTH - _RIGHT + 12, at - 4, _WIDTH - _RIGHT + 32, at - 4, colour)
        yield _text(_WIDTH - _RIGHT + 38, at, name)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#dddddd") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(text)}</text>"


def _short(value: float) -> str:
    power = math.floor(math.log10(value) / 3 + 1e-9) * 3
    power = max(-9, min(9, power))
    return f"{value / 10.0**power:g}{_PREFIXES[power]}"
