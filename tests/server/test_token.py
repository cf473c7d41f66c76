"""The token file."""

import os
import stat
import threading

import pytest

from server.token import TokenError, is_loopback, load_token, same


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_first_start_makes_it_and_the_next_reads_it(tmp_path, caplog):
    folder = tmp_path / "new" / "data"
    first = load_token(folder, None, "127.0.0.1")
    assert first.new and len(first.value) >= 40 and first.path == folder / "token"
    assert mode(first.path) == 0o600 and first.path.read_text().strip() == first.value
    second = load_token(folder, None, "127.0.0.1")
    assert second.value == first.value and not second.new
    assert os.listdir(folder) == ["token"]
    assert caplog.text == ""  # it was never open to others, not even for a moment


def test_two_folders_have_two_tokens(tmp_path):
    assert load_token(tmp_path / "a", None, "127.0.0.1").value != load_token(tmp_path / "b", None, "127.0.0.1").value


def test_of_many_starts_at_once_one_makes_it(tmp_path):
    found, barrier = [], threading.Barrier(8)

    def start():
        barrier.wait()
        found.append(load_token(tmp_path, None, "127.0.0.1"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len({token.value for token in found}) == 1 and sum(token.new for token in found) == 1


def test_a_file_open_to_others_is_closed(tmp_path, caplog):
    load_token(tmp_path, None, "127.0.0.1")
    os.chmod(tmp_path / "token", 0o644)
    token = load_token(tmp_path, None, "127.0.0.1")
    assert mode(token.path) == 0o600 and "open to others" in caplog.text and token.value not in caplog.text


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("x" * 40)
    (tmp_path / "token").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TokenError, match="token file cannot be used"):
        load_token(tmp_path, None, "127.0.0.1")


@pytest.mark.parametrize("content", ["", "short", "spaces in a token that is long", "\xff" * 40])
def test_a_file_without_a_token(tmp_path, content):
    (tmp_path / "token").write_text(content)
    with pytest.raises(TokenError, match="16 to 512 characters"):
        load_token(tmp_path, None, "127.0.0.1")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenError, match="token"):
        load_token(tmp_path / "file", None, "127.0.0.1")


def test_a_configured_token_is_used_and_not_written(tmp_path):
    assert load_token(tmp_path, "a-configured-token", "0.0.0.0").value == "a-configured-token"
    assert os.listdir(tmp_path) == []
    with pytest.raises(TokenError, match="16 to 512"):
        load_token(tmp_path, "weak", "127.0.0.1")


def test_no_token_is_for_loopback_only(tmp_path):
    assert load_token(tmp_path, "", "localhost").value == ""
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(TokenError, match="loopback only"):
            load_token(tmp_path, "", host)


def test_loopback_addresses():
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "localhost.example", "10.0.0.1", ""]))


def test_comparison_takes_any_text():
    assert same("abc", "abc") and not same("abc", "abd") and not same("é\udc80", "abc")


def test_the_token_does_not_show_itself(tmp_path):
    token = load_token(tmp_path, None, "127.0.0.1")
    assert token.value not in repr(token)
