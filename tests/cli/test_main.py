"""The command line as a whole: light help, exit codes, errors as text and as JSON."""

import json
import subprocess
import sys

import pytest

import livekit
from livekit import errors
from livekit.cli.main import build_parser, main

HEAVY = {"numba", "llvmlite", "pyarrow", "pandas", "scipy", "IPython", "asyncio"}
"""What may not be imported to print a help text."""


def imported_by(*command):
    """Return the names of all modules that a Python command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def all_parsers(parser=None, path=("livekit",)):
    """Yield (words, parser) of every command and sub-command."""
    parser = parser or build_parser()
    yield path, parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for name, child in action.choices.items():
                yield from all_parsers(child, (*path, name))


def leaf_parsers():
    return [(words, parser) for words, parser in all_parsers() if parser.get_default("run")]


LEAVES = {" ".join(words): parser for words, parser in leaf_parsers()}


def test_import_livekit_imports_nothing_heavy_and_not_even_numpy():
    names = imported_by("-c", "import livekit")
    assert "livekit" in names
    assert names & (HEAVY | {"numpy", "livekit.errors"}) == set()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["attach", "--help"], ["backtest", "--help"], ["verify", "--help"]],
)
def test_help_imports_nothing_heavy(arguments):
    names = imported_by("-m", "livekit.cli.main", *arguments)
    assert "livekit.cli.engines" in names
    assert names & HEAVY == set()


def test_commands_are_those_of_this_version():
    assert sorted(LEAVES) == [
        "livekit abi",
        "livekit attach",
        "livekit audit",
        "livekit backtest",
        "livekit bench attach",
        "livekit bench backtest",
        "livekit bench feed",
        "livekit bench notebook",
        "livekit bench ring",
        "livekit cancel",
        "livekit data check",
        "livekit data export",
        "livekit data generate",
        "livekit data import",
        "livekit data list",
        "livekit demo",
        "livekit detach",
        "livekit doctor",
        "livekit engine start",
        "livekit engine status",
        "livekit engine stop",
        "livekit flatten",
        "livekit kill",
        "livekit lab",
        "livekit logs",
        "livekit okx-sim",
        "livekit params",
        "livekit pause",
        "livekit ps",
        "livekit record",
        "livekit reduce",
        "livekit report",
        "livekit resume",
        "livekit runs",
        "livekit runs rm",
        "livekit status",
        "livekit sweep",
        "livekit verify determinism",
        "livekit verify lookahead",
    ]


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_command_takes_json(words):
    assert "--json" in LEAVES[words].format_help()


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_options_say_what_they_are(words):
    for action in LEAVES[words]._actions:
        if action.option_strings and not action.help:
            assert action.metavar, f"{words} {action.option_strings[0]} has no help and no metavar"


@pytest.mark.parametrize("words", [" ".join(words) for words, _ in all_parsers()])
def test_help_exits_with_0_and_names_the_command(words, capsys):
    with pytest.raises(SystemExit) as left:
        main([*words.split()[1:], "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {words}")


def test_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"livekit {livekit.__version__}\n"


WRONG_USAGE = [
    [],
    ["no-such-command"],
    ["engine"],
    ["engine", "explode"],
    ["attach"],
    ["attach", "a.py", "--no-such-option"],
    ["logs", "momentum", "--lines", "many"],
    ["engine", "start", "--cash", "much"],
    ["engine", "start", "--source", "carrier-pigeon"],
    ["params", "momentum"],
    ["backtest"],
    ["backtest", "a.py", "--cash", "much"],
    ["backtest", "a.py", "--seed", "0.5"],
    ["sweep", "a.py", "--random", "many"],
    ["verify"],
    ["verify", "everything", "a.py"],
    ["runs", "rm"],
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_exits_with_4_and_one_line_that_names_the_help(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("livekit: ")
    assert err.count("\n") == 1
    assert "--help'" in err


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_with_json_is_one_document_on_stdout(arguments, capsys, monkeypatch):
    arguments = [*arguments, "--json"]
    monkeypatch.setattr(sys, "argv", ["livekit", *arguments])
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 4
    out, err = capsys.readouterr()
    assert err == ""
    error = json.loads(out)["error"]
    assert error["class"] == "ConfigError"
    assert error["exit_code"] == 4
    assert error["message"]


NOT_RUNNING = [
    ["status"],
    ["engine", "status"],
    ["engine", "stop"],
    ["kill"],
    ["ps"],
    ["ps", "--state", "momentum"],
    ["detach", "momentum"],
    ["params", "momentum", "size=1"],
]


@pytest.mark.parametrize("arguments", NOT_RUNNING, ids=" ".join)
def test_command_without_an_engine_exits_with_3_and_says_how_to_start_one(
    arguments, capsys, runtime_dir
):
    assert main(arguments) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("livekit: ")
    assert "engine start" in err


@pytest.mark.parametrize("arguments", NOT_RUNNING, ids=" ".join)
def test_command_without_an_engine_reports_it_as_json_too(arguments, capsys, runtime_dir):
    assert main([*arguments, "--json"]) == 3
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"]["class"] == "NotRunningError"
    assert json.loads(out)["error"]["exit_code"] == 3


def test_log_that_does_not_exist_exits_with_2(capsys, runtime_dir):
    assert main(["logs", "nobody"]) == 2
    assert "'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a/b", "../x", "_engine", "x" * 32, "a b"])
def test_engine_name_that_is_no_name_exits_with_4(name, capsys, runtime_dir):
    assert main(["status", "--engine", name]) == 4
    assert repr(name) in capsys.readouterr().err


def test_every_error_class_becomes_its_own_exit_code(monkeypatch, capsys, runtime_dir):
    from livekit.cli import engines

    for name in errors.__all__:
        error = getattr(errors, name)

        def fail(*_arguments, error=error, **_options):
            raise error("the thing was broken")

        monkeypatch.setattr("livekit.engine.client.call", fail)
        assert main(["status"]) == error.exit_code
        assert capsys.readouterr().err == "livekit: the thing was broken\n"
    assert engines.__all__


def test_interrupted_command_exits_with_130(monkeypatch, capsys, runtime_dir):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("livekit.engine.client.call", interrupt)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_reader_that_leaves_early_is_no_error():
    """`livekit abi | head -1`: the header is longer than a pipe holds."""
    command = f"{sys.executable} -m livekit.cli.main abi | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"
