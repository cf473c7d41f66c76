"""The README's story runs as it stands: its commands, in its order, against a real server that is killed in between."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

ROOT = Path(__file__).parent.parent


def blocks():
    """The shell blocks of the README's section on the loop."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## The loop by curl")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


class Server:
    def __init__(self, data, command=(sys.executable, str(ROOT / "app.py")), **environment):
        self.process = subprocess.Popen([*command, "--port", "0", "--data", str(data)], stdout=subprocess.PIPE, text=True, cwd=data,
                                        env={**os.environ, **environment})
        self.first_line = self.process.stdout.readline()

    @property
    def url(self):
        return self.first_line.removeprefix("listening on ").strip()

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


def run(block, url, data):
    script = block.replace("http://127.0.0.1:3000", url).replace("data/token", f"{data}/token")
    return subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True, cwd=ROOT, env=dict(os.environ), timeout=120).stdout


def test_ask_correct_ask_again_save_kill_start_ask(tmp_path):
    found = blocks()
    assert len(found) == 2, "the section has the story before the kill and the question after it"
    server = Server(tmp_path)
    assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+\n", server.first_line)
    before, *_ = story = run(found[0], server.url, tmp_path).strip().splitlines()
    assert "Wanda" not in before and "Your cat is called Wanda." in story[-2] and '"name":"default"' in story[-1]
    server.kill()
    again = Server(tmp_path)
    assert "Your cat is called Wanda." in run(found[1], again.url, tmp_path)
    assert again.kill(signal.SIGTERM) == 0


def run_page(name, data):
    """Run the commands of a page of docs in one shell, in order; what each block printed, none of it an error."""
    found = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL)
    server = Server(data)
    environment = {**os.environ, "URL": server.url, "TOKEN": (data / "token").read_text().strip()}
    script = "\necho; echo END-OF-BLOCK\n".join(found)
    answers = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True, env=environment, timeout=300).stdout
    answers = answers.split("END-OF-BLOCK")
    assert len(answers) == len(found) and all(answer.strip() and '"error"' not in answer for answer in answers), answers
    assert server.kill(signal.SIGTERM) == 0
    return answers


def test_the_commands_of_the_page_on_training_do_what_it_says(tmp_path):
    run_page("training.md", tmp_path)
    assert (tmp_path / "adapters" / "mine" / "adapter_config.json").exists()


def test_the_commands_of_the_page_on_lessons_do_what_it_says(tmp_path):
    read, taught, resumed, listed, again, retracted, asked, checked, put_back = run_page("lessons.md", tmp_path)
    assert '"lessons":2' in read and '"learned_lessons":2' in taught and '"learned_lessons":2' in resumed
    assert listed.count("Zita") == 2 and '"reviewed":2' in again and '"learned":true' in again
    assert '"retracted":true' in retracted and '"event":"taught"' in retracted and "Berta" in asked and '"bindings"' in asked
    assert '"kept":[2,' in checked and '"put_back":{"lessons"' in checked and '"learned":true' in put_back


def test_the_commands_of_the_page_on_versions_do_what_it_says(tmp_path):
    taught, listed, then, differ, back, undone, checkpoints = run_page("versions.md", tmp_path)
    assert taught.count('"learned":true') == 3 and '"version":3' in listed and '"made_by":"base"' in listed
    assert "Olga" in then and '"versions":[1,1]' in then and '"layer":"blocks.0"' in differ
    assert back.count('"version":') == 2 and '"version":4' in undone and '"relearned":1' in undone
    assert '"path":"exports/geese-4.safetensors"' in checkpoints and '"name":"geese","deleted":true' in checkpoints
    assert (tmp_path / "exports" / "geese-4.safetensors").is_file()


@pytest.mark.parametrize("command", [(sys.executable, str(ROOT / "app.py")), ("deepspeed", "-q", "--num_nodes=1", "--num_gpus=1", str(ROOT / "app.py"))],
                         ids=["python", "deepspeed"])
def test_it_listens_on_its_own_port_and_no_other(tmp_path, command):
    server = Server(tmp_path, command, DS_ACCELERATOR="cuda" if torch.cuda.is_available() else "cpu",
                    PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    run(blocks()[0], server.url, tmp_path)  # a lesson: torch.distributed and DeepSpeed have done what they do
    above = psutil.Process(server.process.pid)
    processes = [above, *above.children(recursive=True)]
    found = {tuple(c.laddr) for p in processes for c in p.net_connections() if c.status == psutil.CONN_LISTEN or c.type == socket.SOCK_DGRAM}
    processes[-1].terminate()
    assert found == {("127.0.0.1", int(server.url.rpartition(":")[2]))}
    assert server.process.wait(60) == 0
    server.process.stdout.close()


@pytest.mark.parametrize(("arguments", "words"), [
    (["--config", "none.toml"], "no such file"),
    (["--model", "none.pth"], "no such weights file"),
    (["--port", "70000"], "server.port"),
])
def test_what_cannot_start_says_one_sentence_and_exits_with_2(tmp_path, arguments, words):
    result = subprocess.run([sys.executable, str(ROOT / "app.py"), "--data", str(tmp_path), "--port", "0", *arguments], capture_output=True, text=True, timeout=120)
    assert result.returncode == 2 and words in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr and not result.stdout


def test_a_taken_port_and_a_missing_compiler(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = subprocess.run([sys.executable, str(ROOT / "app.py"), "--data", str(tmp_path), "--port", port], capture_output=True, text=True, timeout=120)
    assert result.returncode == 2 and f"port {port}" in result.stderr.splitlines()[-1]
    bare = {**os.environ, "PATH": str(tmp_path), "CXX": ""}
    result = subprocess.run([sys.executable, str(ROOT / "app.py"), "--data", str(tmp_path), "--port", "0"], capture_output=True, text=True, timeout=120, env=bare)
    assert result.returncode == 2 and "C++ compiler" in result.stderr.splitlines()[-1]
