"""SIGTERM and Ctrl-C: a training stops without losing a step."""

import contextlib
import signal
import threading
from collections.abc import Callable
from collections.abc import Iterator

from featsr_tf.errors import WorkerError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# What shells add to the number of a signal that has ended a program.
_ENDED_BY_SIGNAL = 128


class _Stop(KeyboardInterrupt):
    """Leads out of a training that a signal ends."""


class StopSignals:
    """Lets a training write a checkpoint before a signal ends it.

    While there are steps that no checkpoint holds, a signal waits until
    `saved` is called; otherwise, and when it comes twice, it ends the
    training at once. In the end it does what it would have done without.

    Where several machines train, a signal to one stops all after one step.

    Args:
        on_any: tells all workers, who call it together, whether something
            holds on any of them. Default: there is no other one.

    Attributes:
        received: the signal that came to this process, or None.
        is_stopping: whether all stop after this step.
    """

    def __init__(self, on_any: Callable[[bool], bool] = bool):
        self.received: signal.Signals | None = None
        self.is_stopping = False
        self._on_any = on_any
        self._place = "the newest checkpoint"
        self._has_unsaved_step = False

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catches signals in a block; only the main thread gets any.

        Raises:
            SystemExit: this process got one by which it cannot end.
            WorkerError: another worker has got a signal.
        """
        is_main = threading.current_thread() is threading.main_thread()
        numbers = _SIGNALS if is_main else ()
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            signal.signal(number, self._note)
        is_stopped = False
        try:
            yield
        except _Stop:
            is_stopped = True
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
            if signal.getsignal(self.received) == signal.SIG_DFL:
                # The first process of a container does not end by it.
                raise SystemExit(_ENDED_BY_SIGNAL + self.received)
        elif is_stopped:
            raise WorkerError(
                f"another worker was told to stop, after {self._place}; start "
                "the same command on all machines again to go on from there"
            )

    def stepped(self) -> None:
        """Is to be called after a step, by all workers."""
        self._has_unsaved_step = True
        self.is_stopping = self._on_any(self.received is not None)

    def saved(self, stage: str, step: int) -> None:
        """Is to be called when all steps are in a checkpoint, by all workers.

        Args:
            stage: name of the stage.
            step: steps that it has made.
        """
        self._place = f"step {step} of stage {stage}"
        # Nobody leaves before the one who writes has written.
        is_stopping = self._on_any(self.received is not None)
        self._has_unsaved_step = False
        if is_stopping or self.received is not None:
            raise _Stop

    def _note(self, number, _):
        waits = self._has_unsaved_step and self.received is None
        self.received = signal.Signals(number)
        if not waits:
            raise _Stop
