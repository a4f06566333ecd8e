"""`reid COMMAND --help` prints, and says what each argument is."""

import argparse
import importlib

import pytest

from reid.__main__ import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_each_argument_is(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert COMMANDS[command] in printed.replace("- ", "-")
    parser = argparse.ArgumentParser()
    importlib.import_module(f"reid.commands.{command.replace('-', '_')}").add_arguments(parser)
    for one in parser._actions:
        assert one.help, f"{command} {one.dest}"
        assert (one.option_strings or [one.metavar])[-1] in printed


def test_commands_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert all(purpose in printed.replace("- ", "-") for purpose in COMMANDS.values())
