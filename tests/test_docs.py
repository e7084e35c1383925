"""What the documents say is so: blocks run, commands parse, settings are the defaults.

And what they must not say: paths of a developer's machine, addresses of registries.
"""

import argparse
import contextlib
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import asdict
from typing import NamedTuple

import pytest
import source
from engines import eventually, row, status

from livekit.cli.main import build_parser, main
from livekit.engine.settings import EngineSettings, load_settings
from livekit.engine.strategies import POLICIES
from livekit.research.report.run import Run
from livekit.ring.wait import WAITS
from livekit.strategy.api import Strategy
from livekit.trading.limits import RiskLimits

ROOT = source.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A fenced block of the README, with the heading it stands below."""

    heading: str
    language: str
    text: str


def blocks():
    found, heading, lines, language = [], "", None, ""
    for line in README.splitlines():
        if line.startswith("```"):
            if lines is None:
                lines, language = [], line[3:].strip()
            else:
                found.append(Block(heading, language, "\n".join(lines)))
                lines = None
        elif lines is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert lines is None, "a fenced block is not closed"
    return found


BLOCKS = blocks()
QUICK_START = [block for block in BLOCKS if block.heading == "Quick start"]
PYTHON = [block.text for block in BLOCKS if block.language == "python"]


def shell_lines():
    """Return every command line of the README's shell blocks, comments cut off."""
    lines = [line for b in BLOCKS if b.language == "sh" for line in b.text.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def leaf_commands(parser=None, words=()):
    """Yield (words, parser) of every command."""
    parser = parser or build_parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from leaf_commands(child, (*words, name))
    if parser.get_default("run"):
        yield " ".join(words), parser


COMMANDS = dict(leaf_commands())


# Quick start.


def test_quick_start_has_two_fenced_blocks_of_one_command_each():
    assert [block.language for block in QUICK_START] == ["sh", "sh"]
    demo, tests = (block.text for block in QUICK_START)
    for text in (demo, tests):
        assert text.startswith("python3 -m venv .venv && .venv/bin/pip install -e ")
        assert "\n" not in text
    assert demo.endswith("&& .venv/bin/livekit demo")
    assert tests.endswith("&& .venv/bin/python -m pytest -n 2")


def test_ci_runs_the_readmes_own_test_command():
    script = ROOT / ".ci" / "run"
    done = subprocess.run(["bash", script, "--show"], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip("\n") == QUICK_START[1].text
    assert subprocess.run(["bash", "-n", script], check=True).returncode == 0
    assert script.stat().st_mode & 0o111 == 0o111


def test_extras_that_the_readme_installs_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = re.findall(r"-e '\.\[(\w+)\]'", README)
    assert asked
    assert set(asked) <= set(project["optional-dependencies"])


# Commands.


@pytest.mark.parametrize("line", [x for x in shell_lines() if x.startswith("livekit ")])
def test_command_line_of_the_readme_parses_and_its_files_exist(line):
    words = shlex.split(line)[1:]
    options = build_parser().parse_args(words)
    assert callable(options.run)
    for word in words:
        if word.startswith(("strategies/", "replay_data")):
            assert (ROOT / word).exists()


def test_shell_blocks_hold_no_command_that_no_test_looks_at():
    known = ("livekit ", "python3 -m venv ", "python -m pytest", "ruff format --check")
    assert [line for line in shell_lines() if not line.startswith(known)] == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_readme_names_every_command(command):
    # A table writes alternatives as `livekit data list\|check`.
    *parents, last = command.split()
    pattern = " ".join(["livekit", *parents]) + r" (?:\w+\\\|)*" + last + r"\b"
    assert re.search(pattern, README), f"README does not name 'livekit {command}'"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_of_a_command_shows_in_its_help(command):
    text = COMMANDS[command].format_help()
    for action in COMMANDS[command]._actions:
        for option in action.option_strings:
            assert option in text
        assert action.help is not argparse.SUPPRESS, f"{command} hides {action.dest}"


def test_readme_names_every_option_of_attach():
    (text,) = (line for line in README.splitlines() if line.startswith("| `livekit attach FILE`"))
    options = [o for action in COMMANDS["attach"]._actions for o in action.option_strings]
    for option in set(options) - {"-h", "--help", "--json", "--engine"}:
        assert f"`{option}" in text


def test_options_of_engine_start_are_settings():
    given = {action.dest for action in COMMANDS["engine start"]._actions}
    assert given - {"help", "engine", "json", "config", "paper"} <= set(asdict(EngineSettings()))


def test_readme_names_every_exit_code():
    (sentence,) = re.findall(r"Exit codes: ([^.]+)\.", README)
    assert [int(code) for code in re.findall(r"\d+", sentence)] == [0, 1, 2, 3, 4, 5, 130]


# Settings, policies, waits, callbacks.

PUBLIC_OF_STRATEGY = {name for name in vars(Strategy) if not name.startswith("_")} - {
    "strategy_id"  # the name that a script gives to `super().__init__`
}


def test_settings_file_of_the_readme_holds_every_setting_with_its_default(tmp_path, monkeypatch):
    (text,) = (block.text for block in BLOCKS if block.language == "toml")
    path = tmp_path / "engine.toml"
    path.write_text(text)
    content = tomllib.loads(text)
    defaults = asdict(EngineSettings())
    assert set(content["engine"]) == set(defaults) - {"risk"}
    assert set(content["risk"]) == set(asdict(RiskLimits()))
    loaded = load_settings(path, {})
    assert asdict(loaded) == {**defaults, "risk": asdict(RiskLimits())}
    assert EngineSettings.from_json(loaded.to_json()) == loaded
    monkeypatch.setenv("LIVEKIT__ENGINE__CASH", "50000")
    assert load_settings(path, {}).cash == 50_000.0


@pytest.mark.parametrize("name", [*POLICIES, *WAITS])
def test_readme_explains_every_policy_and_every_way_to_wait(name):
    assert re.search(rf"^\| `{name}`", README, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(PUBLIC_OF_STRATEGY))
def test_readme_names_every_callback_method_and_attribute_of_a_strategy(name):
    assert re.search(rf"\b{name}\b", README)


# Python blocks.


@pytest.mark.process
@pytest.mark.parametrize("mode", ["--jit", "--name=ema_cross"])
def test_strategy_of_the_readme_ends_in_the_printed_numbers(engine, tmp_path, mode):
    path = tmp_path / "ema_cross.py"
    path.write_text(PYTHON[0])
    engine(data=str(ROOT / "replay_data"), speed="lockstep", wait_for=1)
    assert main(["attach", str(path), mode]) == 0
    eventually(
        lambda: (now := status())["state"] == "finished" and not now["strategies"][0]["queued"],
        "the end of the day",
        timeout_s=240,
    )
    (line,) = re.findall(r"^ ema_cross +running +compiled +(.+)$", README, re.MULTILINE)
    received, dropped, orders, rejects, fills, position, pnl = line.replace(",", "").split()
    found = row("ema_cross")
    names = ("received", "dropped", "orders", "rejects", "fills")
    assert [found[name] for name in names] == [
        int(text) for text in (received, dropped, orders, rejects, fills)
    ]
    assert (position, found["position"]) == ("flat", {})
    assert f"{found['pnl']:.2f}" == pnl


@pytest.mark.process
def test_script_of_the_readme_attaches_trades_and_stops(engine, tmp_path):
    engine(speed="1")
    path = tmp_path / "momentum_strategy.py"
    path.write_text(PYTHON[1])
    script = subprocess.Popen([sys.executable, path], cwd=tmp_path)
    try:
        found = eventually(
            lambda: (r := row("momentum_strategy")) and r["fills"] == 1 and r,
            "a fill of the script's order",
            timeout_s=60,
        )
        assert found["position"] == {"BTC-USDT": 0.01}
        script.terminate()
        assert script.wait(30) == 0
    finally:
        script.kill()
        script.wait()


def test_python_blocks_are_the_three_that_tests_run():
    assert len(PYTHON) == 3
    for text in PYTHON:
        compile(text, "README.md", "exec")


def test_research_of_the_readme_runs_and_its_run_loads_again(tmp_path):
    (text,) = (text for text in PYTHON if "lk.backtest(" in text)
    names = {}
    with contextlib.chdir(ROOT):
        code = text.replace('"ema_cross_run"', repr(str(tmp_path / "run")))
        exec(compile(code, "README.md", "exec"), names)
    assert len(names["run"].fills) > 0
    assert names["run"].hash == Run.load(tmp_path / "run").hash
    assert len(names["sweep"].frame) == 6


# Files.


def tracked():
    """Return the text files of the project: what git has or would take."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = done.stdout.split("\0") if done.returncode == 0 else []
    paths = [ROOT / name for name in names if name] or [
        path
        for path in ROOT.rglob("*")
        if not {".venv", ".git", "__pycache__"} & set(path.relative_to(ROOT).parts)
    ]
    texts = {}
    for path in paths:
        if path.is_file():
            try:
                texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return texts


def test_links_of_every_document_lead_somewhere():
    links = [
        (name, target)
        for name, text in tracked().items()
        if name.endswith(".md")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    ]
    assert [link for link in links if not (ROOT / link[0]).parent.joinpath(link[1]).exists()] == []


def test_paths_that_the_readme_names_exist():
    paths = re.findall(r"`((?:tests|livekit|strategies|replay_data|notebooks)/[\w./-]+)`", README)
    assert [path for path in paths if not (ROOT / path).exists()] == []


FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.])/(?:root|work|Users)/\w|/home/(?!user\b)\w",
    "a file in the shared temporary folder": r"(?<![\w.])/tmp/[\w.]",
    "the address of a registry": r"index-url|find-links|artifactory|nexus3?/|pypi\.|/simple/",
    "a private address": r"\b(?:10|192\.168|172\.1[6-9])\.\d+\.\d+(?:\.\d+)?:\d+\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what):
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in tracked().items()
        if name != "tests/test_docs.py"
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_reliability_table_names_the_test_of_every_guarantee():
    rows = [line for line in README.splitlines() if re.match(r"\| R\d", line)]
    named = [name for line in rows for name in re.findall(r"R\d+", line.split("|")[1])]
    assert named == [f"R{n}" for n in (*range(1, 8), 9, 10, 13)]
    for line in rows + [line for line in README.splitlines() if line.startswith("| | ")][1:]:
        tests = re.findall(r"`(tests/[\w/]+\.py)`", line)
        assert tests, line
        assert all((ROOT / test).is_file() for test in tests)


def test_changelog_opens_with_the_compatibility_policy_then_the_unreleased_changes():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[:2] == ["Compatibility", "Unreleased"]
