"""What workers and goals have cost, by the ledger."""

from looop.state.logs import Ledger

__all__ = ["of_goal", "of_worker"]


def of_goal(ledger: Ledger, goal: str) -> float:
    """US dollars of every row that is kept and serves this goal. Raises `Unreadable`."""
    return sum(row.cost_usd or 0.0 for _, row in ledger.since(0.0) if row.goal == goal)


def of_worker(ledger: Ledger, worker: str, generation: str, since: float) -> float:
    """US dollars of one generation of a worker, started at `since` (wall seconds)."""
    return sum(
        row.cost_usd or 0.0
        for _, row in ledger.since(since)
        if row.kind == "session" and row.id == worker and row.generation in ("", generation)
    )
