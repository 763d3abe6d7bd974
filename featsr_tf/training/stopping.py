"""SIGTERM and Ctrl-C: a training stops without losing a step."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Stop(KeyboardInterrupt):
    """Leads out of a training that a signal ends."""


class StopSignals:
    """Lets a training write a checkpoint before a signal ends it.

    While there are steps that no checkpoint holds, a signal waits until
    `saved` is called; otherwise, and when it comes twice, it ends the
    training at once. In the end it does what it would have done without.

    Attributes:
        received: the signal that came, or None.
    """

    def __init__(self):
        self.received: signal.Signals | None = None
        self._place = "the newest checkpoint"
        self._has_unsaved_step = False

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catches signals in a block; only the main thread gets any."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            signal.signal(number, self._note)
        try:
            with contextlib.suppress(_Stop):
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.received is not None:
            print(
                f"stopped by {self.received.name} after {self._place}; run "
                "the same command again to go on from there",
                flush=True,
            )
            signal.raise_signal(self.received)

    def stepped(self) -> None:
        """Is to be called after a step."""
        self._has_unsaved_step = True

    def saved(self, stage: str, step: int) -> None:
        """Is to be called when all steps are in a checkpoint.

        Args:
            stage: name of the stage.
            step: steps that it has made.
        """
        self._place = f"step {step} of stage {stage}"
        self._has_unsaved_step = False
        if self.received is not None:
            raise _Stop

    def _note(self, number, _):
        waits = self._has_unsaved_step and self.received is None
        self.received = signal.Signals(number)
        if not waits:
            raise _Stop
