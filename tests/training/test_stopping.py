"""A signal ends a training between two steps, with all of them saved."""

import contextlib
import os
import signal
import threading
from unittest import mock

import pytest

from featsr_tf.errors import WorkerError
from featsr_tf.training import distribution
from featsr_tf.training.distribution import StopSignals


@pytest.fixture(autouse=True)
def python_handles_interrupts():
    """As in a terminal: programs in the background may ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_a_signal_waits_until_the_steps_are_saved(capsys):
    signals = StopSignals()
    saved = []
    with pytest.raises(KeyboardInterrupt), signals.caught():
        signals.stepped()
        interrupt()
        assert signals.received == signal.SIGINT
        saved.append(7)
        signals.saved("base", 7)
        saved.append("what comes after")
    assert saved == [7]
    assert capsys.readouterr().out == (
        "stopped by SIGINT after step 7 of stage base; run the same command "
        "again to go on from there\n"
    )


def test_where_nothing_is_to_be_saved_a_signal_is_obeyed_at_once(capsys):
    signals = StopSignals()
    went_on = False
    with pytest.raises(KeyboardInterrupt), signals.caught():
        signals.stepped()
        signals.saved("base", 4)
        interrupt()
        went_on = True
    assert not went_on
    assert "after step 4 of stage base" in capsys.readouterr().out


def test_a_second_signal_is_obeyed_at_once():
    signals = StopSignals()
    went_on = []
    with pytest.raises(KeyboardInterrupt), signals.caught():
        signals.stepped()
        interrupt()
        went_on.append(1)
        interrupt()
        went_on.append(2)
    assert went_on == [1]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_is_told_of_twice_and_waited_for(number):
    """By the system and by a shell, or together with the end of a session."""
    before = signal.signal(signal.SIGHUP, signal.default_int_handler)
    signals = StopSignals()
    went_on = []
    with (
        mock.patch.object(signal, "raise_signal"),
        mock.patch.object(distribution, "_leave_terminal") as leave,
        contextlib.suppress(SystemExit),
        signals.caught(),
    ):
        signals.stepped()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), number)
        went_on.append(1)
        signals.saved("base", 1)
        went_on.append(2)
    signal.signal(signal.SIGHUP, before)
    assert went_on == [1]
    leave.assert_called()


def test_a_training_under_nohup_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = StopSignals()
    with signals.caught():
        os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)
    assert signals.received is None


def test_a_process_that_no_signal_ends_does_so_with_the_code_of_one():
    """As the first process of a container."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signals = StopSignals()
    with (
        mock.patch.object(signal, "raise_signal"),
        pytest.raises(SystemExit) as error,
        signals.caught(),
    ):
        signals.stepped()
        os.kill(os.getpid(), signal.SIGTERM)
        signals.saved("base", 1)
    signal.signal(signal.SIGTERM, before)
    assert error.value.code == 128 + signal.SIGTERM


def test_a_signal_to_another_worker_stops_this_one_after_the_same_step():
    asked = []

    def on_any(holds):
        asked.append(holds)
        return len(asked) > 2

    signals = StopSignals(on_any)
    with pytest.raises(WorkerError, match="after step 4 of stage base"):
        with signals.caught():
            signals.stepped()
            assert not signals.is_stopping
            signals.saved("base", 3)
            signals.stepped()
            assert signals.is_stopping
            signals.saved("base", 4)
    # This one itself has got none, and waits until all have saved.
    assert asked == [False] * 4


def test_the_handlers_from_before_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals().caught():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_error_passes():
    with pytest.raises(ValueError), StopSignals().caught():
        raise ValueError


def test_in_another_thread_no_signal_is_caught():
    seen = []

    def train():
        with StopSignals().caught():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before]
