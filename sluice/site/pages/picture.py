"""The way of the data as one picture: raw files, tables and models as boxes with their verdicts, joined by lines. Pure.

Inline SVG without a script; each box is a link to its page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import basename

from markupsafe import Markup

from sluice.site.pages import wording
from sluice.site.pages.datasets import DatasetView
from sluice.site.pages.models import ModelView

Edges = frozenset[tuple[str, str]]  # from a box to one that is built from it, by key

CHARACTER, LONGEST = 7.3, 24  # width of one in pixels, at most so many of a name
HEIGHT, BETWEEN, GAP, TOP, EDGE = 44, 14, 36, 30, 8  # of boxes, and between them, in pixels
PAGE = 1120  # the least width in pixels to which a wider picture is made smaller, as site.css has it
SWEEPS = 4  # over the columns, to order each by its neighbours


@dataclass(frozen=True, slots=True)
class Box:
    """One file, table or model."""

    key: str
    name: str
    heading: str
    verdict: str
    link: str
    held: int = 0  # batches, besides the newest

    @property
    def said(self) -> str:
        """Its verdict as people read it."""
        words = wording.in_words(self.verdict)
        return f"{words}, {self.held} held" if self.held else words

    @property
    def kind(self) -> str:
        """How it is drawn."""
        return "bad" if self.held else wording.kind_of(self.verdict)


def lineage(datasets: Sequence[DatasetView], models: Sequence[ModelView]) -> Markup:
    """The picture; empty where no model is documented yet."""
    if not models:
        return Markup("")
    boxes, edges = _boxes(datasets, models)
    columns = _columns(boxes, edges)
    return _drawn(columns, edges)


def _boxes(datasets: Sequence[DatasetView], models: Sequence[ModelView]) -> tuple[dict[str, Box], Edges]:
    nodes = {view.node.unique_id: view.node for view in models}
    edges = {
        (parent, node.unique_id)
        for node in nodes.values()
        for parents in (*node.parents.values(), node.rows_by)
        for parent, _, _ in parents
        if parent in nodes and parent != node.unique_id
    }
    boxes = {view.node.unique_id: _of_model(view) for view in models}
    by_name = {node.name: key for key, node in nodes.items() if node.kind == "source"}
    for dataset in datasets:
        contract = dataset.contract
        if (table := by_name.get(contract.dataset_id)) is not None:
            file = f"file {contract.dataset_id}"
            name = basename(contract.files.url.rstrip("/")) or contract.dataset_id
            link = f"datasets/{contract.dataset_id}.html"
            held = sum(row is not dataset.newest for row in dataset.held)
            boxes[file] = Box(file, name, "Raw files", dataset.verdict, link, held)
            edges.add((file, table))
            if boxes[table].verdict == nodes[table].materialized:  # dbt was not asked for its age
                has = "published" if dataset.published is not None else "no batch yet"
                boxes[table] = replace(boxes[table], verdict=has)
    linked = {key for edge in edges for key in edge}
    return {key: box for key, box in boxes.items() if key in linked or nodes[key].kind == "model"}, frozenset(edges)


def _of_model(view: ModelView) -> Box:
    node = view.node
    verdict = view.standing if node.layer == "marts" else view.verdict or node.materialized
    return Box(node.unique_id, node.name, node.layer.capitalize(), verdict, f"models/{node.page}.html")


def _columns(boxes: Mapping[str, Box], edges: Edges) -> list[list[Box]]:
    """The boxes by their longest way from the raw files; marts stand right of everything else."""
    parents = defaultdict(set)
    for above, below in edges:
        parents[below].add(above)
    ranks: dict[str, int] = {}

    def rank(key: str) -> int:
        if key not in ranks:
            ranks[key] = {"Raw files": 0, "Raw": 1}.get(boxes[key].heading, 2)  # also the end of a circle, if one came
            ranks[key] = max([ranks[key], *(1 + rank(parent) for parent in parents[key] if parent in boxes)])
        return ranks[key]

    for key in boxes:
        rank(key)
    last = max((r for key, r in ranks.items() if boxes[key].heading != "Marts"), default=1)
    for key in [key for key in boxes if boxes[key].heading == "Marts"]:
        ranks[key] = max(ranks[key], last + 1)
    columns = [[boxes[key] for key in boxes if ranks[key] == r] for r in range(max(ranks.values()) + 1)]
    return _ordered([column for column in columns if column], edges)


def _ordered(columns: list[list[Box]], edges: Edges) -> list[list[Box]]:
    """Each column by the middle of its neighbours, so that few lines cross."""
    near = defaultdict(set)
    for above, below in edges:
        near[above].add(below)
        near[below].add(above)
    for _ in range(SWEEPS):
        for column in columns:
            place = {box.key: at / max(len(each), 1) for each in columns for at, box in enumerate(each)}

            def middle(box: Box, place: Mapping[str, float] = place) -> float:
                around = [place[key] for key in near[box.key] if key in place]
                return sum(around) / len(around) if around else place[box.key]

            column.sort(key=middle)
    return columns


def _drawn(columns: Sequence[Sequence[Box]], edges: Edges) -> Markup:
    tallest = max(map(len, columns)) * (HEIGHT + BETWEEN)
    places: dict[str, tuple[float, float, float]] = {}
    headings, left, said = [], float(EDGE), ""
    for column in columns:
        width = max(map(_characters, column)) * CHARACTER + 2 * EDGE
        above = TOP + (tallest - len(column) * (HEIGHT + BETWEEN)) / 2
        for at, box in enumerate(column):
            places[box.key] = (left, above + at * (HEIGHT + BETWEEN), width)
        if column[0].heading != said:
            said = column[0].heading
            headings.append(Markup('<text class="layer" x="{:.0f}" y="16">{}</text>').format(left, said))
        left += width + GAP
    lines = _joined(
        _line(places[above], places[below]) for above, below in sorted(edges) if {above, below} <= {*places}
    )
    shapes = _joined(_shape(box, *places[box.key]) for column in columns for box in column)
    right = left - GAP + EDGE
    return Markup(
        '<svg class="way{5}" role="group" aria-label="From raw files to marts" width="{0:.0f}" height="{1:.0f}" '
        'viewBox="0 0 {0:.0f} {1:.0f}">{2}{3}{4}</svg>'
    ).format(right, TOP + tallest, _joined(headings), lines, shapes, " wide" if right > PAGE else "")


def _line(above: tuple[float, float, float], below: tuple[float, float, float]) -> Markup:
    x, y = above[0] + above[2], above[1] + HEIGHT / 2
    to_x, to_y = below[0], below[1] + HEIGHT / 2
    bend = (to_x - x) / 2
    path = '<path d="M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}"/>'
    return Markup(path).format(x, y, x + bend, y, to_x - bend, to_y, to_x, to_y)


def _shape(box: Box, x: float, y: float, width: float) -> Markup:
    kind, shown = box.kind, box.said
    return Markup(
        '<a href="{}"><title>{}: {}</title><rect class="{}" x="{:.0f}" y="{:.0f}" width="{:.0f}" height="{}" rx="4"/>'
        '<text class="name" x="{:.0f}" y="{:.0f}">{}</text><text class="{}" x="{:.0f}" y="{:.0f}">{} {}</text></a>'
    ).format(
        *(box.link, box.name, shown, kind, x, y, width, HEIGHT),
        *(x + EDGE, y + 18, _short(box.name), kind, x + EDGE, y + 35, wording.GLYPHS[kind], shown),
    )


def _characters(box: Box) -> int:
    """Of the longer of its two lines; a mark and a blank stand before the verdict."""
    return max(len(_short(box.name)), 2 + len(box.said))


def _short(name: str) -> str:
    """A long name without its middle, which says least."""
    half = LONGEST // 2 - 1
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
