"""Where names go in a picture, so that none covers a point or another name. A pure function on boxes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

GAP = 3.0
STEP = 5.0


@dataclass(frozen=True, slots=True)
class Circle:
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The point of the box that is closest to (x, y)."""
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def distance(self, circle: Circle) -> float:
        """From the circle's rim to the box; negative when they overlap."""
        x, y = self.nearest(circle.x, circle.y)
        return math.hypot(x - circle.x, y - circle.y) - circle.radius


def place(
    points: Sequence[Circle], sizes: Sequence[tuple[float, float]], room: Box, taken: Sequence[Box] = ()
) -> list[Box]:
    """A box of each size near its point, free of all points, of what is `taken`, and of the boxes before it.

    Where there is no free place left in the room, the box stands to the right of its point, whatever it covers.
    """
    placed: list[Box] = []
    for point, (width, height) in zip(points, sizes, strict=True):
        free = (
            box
            for box in _places(point, width, height, room)
            if all(box.distance(other) >= GAP - 1e-9 for other in points)
            and not any(map(box.overlaps, [*taken, *placed]))
        )
        placed.append(next(free, None) or _beside(point, width, height))
    return placed


def _places(point: Circle, width: float, height: float, room: Box) -> Iterator[Box]:
    """Every place in the room, the nearest first; of equally near ones that to the right, level with the point."""
    level = point.y - height / 2
    beside = [(point.x + point.radius + GAP, level), (point.x - point.radius - GAP - width, level)]
    grid = product(_grid(room.left, room.right - width), _grid(room.bottom, room.top - height))
    corners = [
        (left, bottom)
        for left, bottom in chain(beside, grid)
        if room.left <= left <= room.right - width and room.bottom <= bottom <= room.top - height
    ]

    def gap(corner: tuple[float, float]) -> float:
        across = max(corner[0] - point.x, 0.0, point.x - corner[0] - width)
        along = max(corner[1] - point.y, 0.0, point.y - corner[1] - height)
        return round(math.hypot(across, along), 3)

    for left, bottom in sorted(corners, key=gap):
        yield Box(left, bottom, left + width, bottom + height)


def _beside(point: Circle, width: float, height: float) -> Box:
    left, bottom = point.x + point.radius + GAP, point.y - height / 2
    return Box(left, bottom, left + width, bottom + height)


def _grid(low: float, high: float) -> list[float]:
    return [low + STEP * number for number in range(int((high - low) / STEP) + 1)] if high >= low else []
