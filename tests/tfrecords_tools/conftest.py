"""Fixtures that tests of several record tools share."""

import pytest


@pytest.fixture
def run_command(capsys):
    """Runs a command's `main`; its exit code, its text and its error."""

    def tell(main, *arguments) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return tell
