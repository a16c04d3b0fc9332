"""The house: what each module holds, who needs it, and the floors drawn from their imports.

    python benchmarks/house.py [--longest 15] [--draw docs/img/house.svg]

Prints a line a module: its lines, how many modules import it, its longest function and that one's
lines; then the sums of each room. Run it in an older checkout (`--root`) for what was before.
"""

from __future__ import annotations

import argparse
import ast
import configparser
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "bgpvs_wf"


@dataclass(frozen=True)
class Module:
    """A file of the package."""

    name: str
    lines: int
    imports: frozenset[str]
    longest: tuple[int, str]
    """Lines and name of its longest function."""

    @property
    def room(self) -> str:
        """The package it is in, or the module itself if it is in none."""
        return self.name.split(".")[1] if "." in self.name else self.name


def modules(root: Path) -> dict[str, Module]:
    """Read all modules, those of linked folders too."""
    found = {}
    for path in sorted(files(root / PACKAGE)):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        functions = [
            ((node.end_lineno or node.lineno) - node.lineno + 1, node.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        longest = max(functions, default=(0, "-"))
        found[name] = Module(name, len(text.splitlines()), frozenset(imported(tree)), longest)
    return found


def files(folder: Path) -> Iterator[Path]:
    """Give the Python files below a folder and the folders linked into it."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from files(path)
        elif path.suffix == ".py":
            yield path


def imported(tree: ast.AST) -> Iterator[str]:
    """Give the dotted names that a module imports from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield str(node.module)
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith(PACKAGE))


def floors(root: Path) -> list[list[str]]:
    """Return the floors, the highest first, as `lint-imports` holds them."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    layers = config["importlinter:contract:floors"]["layers"]
    return [[room.strip() for room in line.split("|")] for line in layers.split("\n") if line]


def draw(found: dict[str, Module], rows: list[list[str]], path: Path) -> None:
    """Draw the floors: a box a room, as wide as it has lines; a line where one needs another."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "house"
    lines, count = Counter(), Counter()
    for module in found.values():
        lines[module.room] += module.lines
        count[module.room] += 1
    needs = {
        (module.room, found[name].room)
        for module in found.values()
        for name in module.imports
        if name in found and found[name].room != module.room
    }
    figure, axes = plt.subplots(figsize=(11, 0.62 * len(rows)))
    places = {}
    for level, row in enumerate(rows):
        widths = [max(lines[room] / 520, 2.7) for room in row]
        left = -(sum(widths) + 0.3 * (len(row) - 1)) / 2
        for room, width in zip(row, widths, strict=True):
            places[room] = (left + width / 2, -level)
            axes.add_patch(
                plt.Rectangle((left, -level - 0.27), width, 0.54, fc="#e8eef4", ec="#345")
            )
            one = count[room] < 2
            text = f"{lines[room]} lines" if one else f"{count[room]} modules, {lines[room]} lines"
            axes.text(
                left + width / 2, -level, f"{room}\n{text}", ha="center", va="center", fontsize=6
            )
            left += width + 0.3
    for above, below in sorted(needs):
        # What single modules are needed for would hide all else.
        if above in places and below in places and count[below] > 1:
            (x, y), (u, v) = places[above], places[below]
            axes.plot([x, u], [y - 0.27, v + 0.27], color="#89a", lw=0.4, alpha=0.6, zorder=0)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.set_xlim(-12, 12)
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    """Print the table, and draw the floors if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="of another checkout")
    parser.add_argument("--draw", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    found = modules(options.root)
    importers = Counter(
        name for module in found.values() for name in module.imports if name in found
    )
    print("module\tlines\timporters\tlongest function\tits lines")
    for module in found.values():
        length, function = module.longest
        print(f"{module.name}\t{module.lines}\t{importers[module.name]}\t{function}\t{length}")
    rooms: Counter[str] = Counter()
    for module in found.values():
        rooms[module.room] += module.lines
    print("\nroom\tlines\tmodules\tlargest module\tlongest function")
    for room, lines in sorted(rooms.items()):
        inside = [module for module in found.values() if module.room == room]
        largest = max(module.lines for module in inside)
        longest = max(module.longest[0] for module in inside)
        print(f"{room}\t{lines}\t{len(inside)}\t{largest}\t{longest}")
    if options.draw is not None:
        draw(found, floors(options.root), options.draw)


if __name__ == "__main__":
    main()
