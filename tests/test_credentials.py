"""The key: where it is found, what is refused, and that its secret is never seen."""

import base64
import copy
import hashlib
import hmac
import json
import os
import pickle
import traceback

import pytest

from livekit.credentials import ENVIRONMENT, Credentials, default_path, load
from livekit.errors import ConfigError, NotFoundError
from livekit.okx.calls import Call

SECRET = "S3CRET-of-the-test"
KEY = {"key": "a1b2c3d4-e5f6-7890", "secret": SECRET, "passphrase": "Pass-of-the-test"}


def no_keyring(service, name):
    return None


def variables(**changes):
    return dict(zip(ENVIRONMENT, (KEY | changes).values(), strict=True))


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = default_path("demo")
    path.parent.mkdir()
    path.write_text(json.dumps(KEY))
    path.chmod(0o600)
    return path


def test_file_of_the_owner_is_read(file):
    found = load("demo", environ={}, read_keyring=no_keyring)
    assert (found.key, found.source) == (KEY["key"], f"file {str(file)!r}")


def test_keyring_comes_before_file_and_file_before_variables(file):
    stored = json.dumps(KEY | {"key": "from-keyring"})
    assert load("demo", environ={}, read_keyring=lambda *_: stored).key == "from-keyring"
    environ = variables(key="from-variables")
    assert load("demo", environ=environ, read_keyring=no_keyring).key == KEY["key"]
    file.unlink()
    environ = variables(key="from-variables")
    assert load("demo", environ=environ, read_keyring=no_keyring).key == "from-variables"


def test_keyring_is_asked_for_the_environment(file):
    asked = []
    load("demo", environ={}, read_keyring=lambda *names: asked.append(names))
    assert asked == [("livekit-okx", "demo")]


def test_named_file_comes_before_everything_and_must_be_there(file, tmp_path):
    stored = json.dumps(KEY | {"key": "from-keyring"})
    assert load("live", file, environ={}, read_keyring=lambda *_: stored).key == KEY["key"]
    with pytest.raises(NotFoundError, match="is not there"):
        load("live", tmp_path / "none", environ={}, read_keyring=no_keyring)


def test_variables_are_removed_wherever_the_key_is_found(file, monkeypatch):
    for name, value in variables().items():
        monkeypatch.setenv(name, value)
    load("demo", read_keyring=no_keyring)
    assert not set(ENVIRONMENT) & set(os.environ)


def test_no_key_anywhere_names_every_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(NotFoundError, match=r"keyring.*okx-live\.json.*LIVEKIT_OKX_KEY"):
        load("live", environ={}, read_keyring=no_keyring)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_file_that_others_may_touch_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:04o}.*chmod 600"):
        load("demo", environ={}, read_keyring=no_keyring)


def test_link_directory_and_pipe_are_no_key_files(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (link, tmp_path, pipe):
        with pytest.raises(ConfigError, match="plain file of your own"):
            load("demo", path, environ={}, read_keyring=no_keyring)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"passphrase": ""}, "passphrase is missing"),
        ({"secret": ""}, "secret is missing"),
        ({"secret": SECRET + "\n"}, "secret has white space"),
        ({"secret": " " + SECRET}, "secret has white space"),
        ({"key": "kéy"}, "key is not printable ASCII"),
        ({"secret": "a" * 257}, "secret is not printable ASCII of at most 256"),
    ],
)
def test_what_is_no_key_is_refused_by_name(changes, text):
    with pytest.raises(ConfigError, match=text) as caught:
        load("sim", environ=variables(**changes), read_keyring=no_keyring)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        json.dumps([SECRET]),
        json.dumps({"secret": [SECRET]}),
        json.dumps(SECRET),
        '{"secret": "' + SECRET,
        " " * 70_000,
    ],
)
def test_file_that_is_no_key_is_refused_without_showing_it(file, text):
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load("demo", environ={}, read_keyring=no_keyring)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_secret_and_passphrase_are_in_no_text_of_the_credentials():
    found = Credentials(**KEY)
    assert repr(found) == str(found) == "<key …7890>"
    assert repr(Credentials("short", "s", "p")) == "<key …>"
    reachable = [getattr(found, name) for name in Credentials.__slots__]
    assert SECRET not in repr(reachable)
    assert not hasattr(found, "__dict__")


def test_credentials_are_neither_pickled_nor_copied():
    found = Credentials(**KEY)
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not to be pickled or copied"):
            spread(found)


def test_login_and_calls_are_signed_with_the_secret():
    found = Credentials(**KEY)
    sent = json.loads(found.login(1704876947))["args"][0]
    assert sent["sign"] == signature("1704876947GET/users/self/verify")
    assert (sent["apiKey"], sent["passphrase"]) == (KEY["key"], KEY["passphrase"])
    call = Call("POST", "/api/v5/trade/order", b"{}", expire_ms=5)
    signed = found.headers(call, 1607418537715, is_demo=False)
    text = "2020-12-08T09:08:57.715ZPOST/api/v5/trade/order{}"
    assert signed["OK-ACCESS-SIGN"] == signature(text)
    assert signed["expTime"] == "5"
    assert "x-simulated-trading" not in signed


def signature(text):
    return base64.b64encode(
        hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    ).decode()
