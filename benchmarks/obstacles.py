"""What stands in the way of the aims that are not reached. Written by hand, shown by `report`."""

from typing import Final

__all__ = ["OBSTACLES"]

OBSTACLES: Final[dict[str, str]] = {}
