"""The view of `relevo watch`: from the model to renderables of rich (pure, but for `Screen`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, TextIO, TypeAlias

from relevo_client import Department, Session
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from relevo.clients.terminal.watch.model import TenantView, TransferLine, outcome_of

WIDE_COLUMNS: Final = 160
# A panel's two borders, and its table's heading.
PANEL_LINES: Final = 3
ROWS_MIN: Final = 1
BAR_CELLS: Final = 6

STATUS_STYLES: Final = {
    "connected": "green",
    "pre_pause": "yellow",
    "pause": "dark_orange",
    "disconnected": "bright_black",
}
OUTCOME_STYLES: Final = {
    "assigned": "green",
    "pending": "yellow",
    "queued": "cyan",
    "closed": "bright_black",
    "moved on": "bright_black",
}

Row: TypeAlias = Sequence[RenderableType]
Frame: TypeAlias = RenderableType


def render(tenant: TenantView, now_ms: int, width: int, height: int | None = None) -> Frame:
    """
    Return the frame of a tenant.

    Args:
        tenant: Its model.
        now_ms: The router's time, in milliseconds since the Unix epoch.
        width: The columns to fill.
        height: The lines to fill, or None for as many as there are rows.
    """
    dim = "" if tenant.connection.is_live else "dim"
    header = _header(tenant, now_ms)
    departments = _departments(tenant.departments)
    agents = _agents(tenant, now_ms)
    waiting = [_waiting_row(tenant, session, now_ms) for session in tenant.waiting()]
    transfers = [_transfer_row(tenant, line, now_ms) for line in tenant.transfers()]
    titles = (
        f"Departments {len(departments)}",
        f"Agents {len(agents)}",
        f"Waiting {len(waiting)}",
        "Latest transfers",
    )

    def panel(number: int, rows: Sequence[Row], limit: int | None) -> RenderableType:
        return _panel(titles[number], COLUMNS[number], rows, limit, dim)

    if width >= WIDE_COLUMNS:
        left = _share(_body(height), [len(departments), len(agents)], fill=1)
        right = _share(_body(height), [len(waiting), len(transfers)], fill=1)
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(
            Group(panel(0, departments, left[0]), panel(1, agents, left[1])),
            Group(panel(2, waiting, right[0]), panel(3, transfers, right[1])),
        )
        return Group(header, grid)
    rows = [departments, agents, waiting, transfers]
    limits = _share(_body(height), [len(each) for each in rows], fill=3)
    return Group(header, *(panel(number, each, limits[number]) for number, each in enumerate(rows)))


def _body(height: int | None) -> int | None:
    return None if height is None else height - 1


def _share(lines: int | None, wanted: Sequence[int], fill: int) -> list[int | None]:
    """
    Share out lines among panels: each as many rows as it wants, if all fit, else what is left for it.

    Args:
        lines: The lines there are, or None for no bound.
        wanted: How many rows each panel has.
        fill: The panel that takes what the others leave.
    """
    if lines is None:
        return [None] * len(wanted)
    rows = max(0, lines - PANEL_LINES * len(wanted))
    given = [min(ROWS_MIN, rows)] * len(wanted)
    spare = max(0, rows - sum(given))
    # One row at a time to the panel with the fewest, so that a long list does not push the others out.
    while spare:
        unfilled = [number for number, count in enumerate(given) if count < wanted[number]]
        if not unfilled:
            given[fill] += spare
            break
        given[min(unfilled, key=lambda number: given[number])] += 1
        spare -= 1
    return list(given)


def _header(tenant: TenantView, now_ms: int) -> Text:
    header = Text(no_wrap=True, overflow="ellipsis")
    header.append(" Relevo ", "bold reverse")
    header.append(f" {tenant.id} ", "bold")
    connection = tenant.connection
    if connection.is_live:
        header.append(" ● live ", "bold green")
    else:
        since = f" for {_age(now_ms - connection.lost_at)}" if connection.lost_at else ""
        header.append(f" ○ NOT LIVE{since}: ", "bold white on red")
        header.append(f"{clean(connection.problem)} ", "white on red")
    available = sum(agent.available for agent in tenant.agents)
    pending = sum(session.state == "pending" for session in tenant.waiting())
    queued = sum(session.state == "queued" for session in tenant.waiting())
    header.append(
        f"  {tenant.count} conversations, {available} of {len(tenant.agents)} available, "
        f"{pending} pending, {queued} queued"
    )
    return header


class _Column:
    def __init__(self, name: str, ratio: int | None = None, *, right: bool = False) -> None:
        self.name = name
        self.ratio = ratio
        self.right = right


COLUMNS: Final = (
    (
        _Column("", 3),
        _Column("agents", right=True),
        _Column("available", right=True),
        _Column("queued", right=True),
    ),
    (
        _Column("", 4),
        _Column("status"),
        _Column("load", right=True),
        _Column(""),
        _Column("pending", right=True),
        _Column("since", right=True),
        _Column("departments", 3),
    ),
    (_Column("since", right=True), _Column("customer", 3), _Column("waits", 4), _Column("reason", 5)),
    (
        _Column("ago", right=True),
        _Column("customer", 3),
        _Column("from", 3),
        _Column("to", 3),
        _Column("outcome", 3),
        _Column("reason", 4),
    ),
)


def _panel(
    title: str, columns: Sequence[_Column], rows: Sequence[Row], limit: int | None, style: str
) -> Panel:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bright_black")
    for column in columns:
        table.add_column(
            column.name,
            ratio=column.ratio,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    shown = rows
    if limit is not None and len(rows) > limit:
        shown = rows[: max(0, limit - 1)]
    for row in shown:
        table.add_row(*row)
    if len(shown) < len(rows):
        table.add_row(*_more(columns, len(rows) - len(shown)))
    return Panel(
        table,
        title=title,
        title_align="left",
        box=box.ROUNDED,
        style=style,
        border_style="bright_black",
        height=None if limit is None else limit + PANEL_LINES,
    )


def _more(columns: Sequence[_Column], count: int) -> Row:
    texts = [Text("") for _ in columns]
    widest = max(range(len(columns)), key=lambda number: columns[number].ratio or 0)
    texts[widest] = Text(f"… {count} more", "bright_black")
    return texts


def _departments(departments: Sequence[Department]) -> list[Row]:
    return [
        (
            Text(clean(row.name)),
            Text(str(row.agents)),
            Text(str(row.available), "green" if row.available else "red"),
            Text(str(row.queued), "bold cyan" if row.queued else "bright_black"),
        )
        for row in departments
    ]


def _agents(tenant: TenantView, now_ms: int) -> list[Row]:
    names = {department.id: department.name for department in tenant.departments}
    rows: list[Row] = []
    for agent in tenant.agents:
        style = STATUS_STYLES[agent.status]
        about = Text("admin " if agent.role == "admin" else "", "magenta")
        about.append(clean(", ".join(names.get(each, each) for each in agent.departments)), "bright_black")
        is_full = agent.load >= agent.capacity
        rows.append(
            (
                Text(clean(agent.name)),
                Text(agent.status.replace("_", "-"), style),
                Text(f"{agent.load}/{agent.capacity}", "red" if is_full else style),
                _bar(agent.load, agent.capacity, "red" if is_full else style),
                Text(str(agent.pending), "bold yellow" if agent.pending else "bright_black"),
                Text(_age(now_ms - agent.status_since_at), "bright_black"),
                about,
            )
        )
    return rows


def _bar(load: int, capacity: int, style: str) -> Text:
    filled = BAR_CELLS if capacity <= 0 else min(BAR_CELLS, -(-load * BAR_CELLS // capacity))
    bar = Text("━" * filled, style)
    bar.append("─" * (BAR_CELLS - filled), "bright_black")
    return bar


def _waiting_row(tenant: TenantView, session: Session, now_ms: int) -> Row:
    where = Text(clean(tenant.name_of(session.owner)), OUTCOME_STYLES[session.state])
    where.append(" pending" if session.state == "pending" else " queue", "bright_black")
    reason = Text("new", "bright_black")
    if session.transfer is not None:
        reason = Text(clean(session.transfer.by.name), "bright_black")
        reason.append(f": {clean(session.transfer.reason or '')}")
    return Text(_age(now_ms - session.updated_at)), Text(clean(session.customer.name)), where, reason


def _transfer_row(tenant: TenantView, line: TransferLine, now_ms: int) -> Row:
    transfer = line.transfer
    state, outcome = outcome_of(line, {agent.id: agent.name for agent in tenant.agents})
    source = Text(clean(transfer.from_.name if transfer.from_ is not None else ""))
    if transfer.from_ is None or transfer.by.id != transfer.from_.id:
        source.append(f" by {clean(transfer.by.name)}", "bright_black")
    return (
        Text(_age(now_ms - transfer.at), "bright_black"),
        Text(clean(line.customer)),
        source,
        Text(clean(transfer.to.name)),
        Text(clean(outcome), OUTCOME_STYLES[state]),
        Text(clean(transfer.reason or ""), "bright_black"),
    )


def clean(text: str) -> str:
    """
    Replace control and format characters: a terminal must not obey text that others wrote.

    An escape sequence in a customer's name could otherwise move the cursor, or more.
    """
    return "".join(
        sign if sign.isprintable() else " " for sign in unicodedata.normalize("NFC", text) if sign != "\u200d"
    )


def _age(age_ms: int) -> str:
    """Return a time span in its largest unit or two."""
    # Negative where clocks differ, or within the millisecond of the change.
    seconds = max(0, age_ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02}" if hours < 24 else f"{hours // 24} d {hours % 24} h"


class Screen:
    """
    The whole terminal, for as long as the block runs; it follows the terminal's size.

    Args:
        draw: Returns the frame for a width and a height.
        output: The terminal.
    """

    def __init__(self, draw: Callable[[int, int | None], Frame], output: TextIO) -> None:
        self._draw = draw
        console = Console(file=output)
        self._console = console
        # Drawn by refresh() alone: a thread of rich would read the model while it changes.
        self._live = Live(
            console=console,
            screen=True,
            auto_refresh=False,
            get_renderable=self._whole,
            redirect_stderr=False,
        )

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def refresh(self) -> None:
        """Draw the present frame."""
        self._live.refresh()

    def _whole(self) -> RenderableType:
        width, height = self._console.size
        return self._draw(width, height)


def print_once(draw: Callable[[int, int | None], Frame], output: TextIO) -> None:
    """Print one frame of any height; without colours where the output is no terminal."""
    console = Console(file=output)
    console.print(draw(console.width, None))
