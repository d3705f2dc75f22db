"""What a night said of itself, as it comes out of its process."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """What a night said of itself.

    Attributes:
        batches: verdict and reasons by dataset and batch.
        error: kind, text and exit code of what ended it.
        crash: the traceback of an error that no command would put into words.
    """

    batches: dict[str, tuple[str, str]] = field(default_factory=dict)
    marts: tuple[str, str] | None = None
    error: tuple[str, str, int] | None = None
    crash: str = ""
