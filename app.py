"""RWKV-Ouroboros: one process that holds one RWKV model, answers with it and teaches it.

    python app.py [--config FILE] [--model FILE] [--host H] [--port N] [--data DIR] [--page [N]]
    deepspeed --num_nodes=1 --num_gpus=N app.py --deepspeed
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import rwkv_models  # noqa: F401 - says how torch's threads wait, before anything here imports torch

HERE = Path(__file__).resolve().parent


class CannotStart(Exception):
    """One sentence for the person who started the program; the exit code is 2."""


def command_line() -> argparse.Namespace:
    """The flags of the program; those of the launcher are taken and left alone."""
    parser = argparse.ArgumentParser(prog="app.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="config script (TOML); without: tiny.toml, or what fits --model")
    parser.add_argument("--model", help="weights file instead of the config's [model] file")
    parser.add_argument("--host", help="address instead of the config's [server] host")
    parser.add_argument("--port", type=int, help="port instead of the config's; 0 takes a free one")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="folder for everything that is written, default data/")
    parser.add_argument("--page", type=int, nargs="?", const=8501, metavar="PORT", help="start the page as well, on port 8501 or this one")
    parser.add_argument("--deepspeed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--local_rank", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def need_compiler() -> None:
    """The CPU decoder is built for this very processor at its first start."""
    compiler = os.environ.get("CXX", "c++")
    if not any(shutil.which(name) for name in (compiler, "c++", "g++")):
        raise CannotStart("no C++ compiler found; install one (Debian, Ubuntu: apt install g++) and start again")


def torch_sees_a_gpu() -> bool:
    """Whether there is a CUDA device; DeepSpeed is told, as it would warn for a machine without."""
    import torch

    return torch.cuda.is_available()


def chosen(file: Path):
    """The config script for a weights file alone, and what stands above it; what was chosen is said."""
    from engine.choice import Machine, choose

    choice = choose(file, Machine.here())
    logging.getLogger("ouroboros").info("chosen: %s", choice.said)
    return choice.script, choice.overrides


def build(options: argparse.Namespace):
    """Config → listener → engine → application, the cheap checks first: (engine, listener, token, crew). A follower does not return."""
    from config_scripts.schema import DEFAULT_CONFIG, load_config
    from engine import group
    from server.application import build_app
    from server.listener import CannotListen, Listener
    from server.token import TokenError, load_token

    try:
        alone = options.model and not options.config
        script, given = chosen(Path(options.model)) if alone else (options.config or DEFAULT_CONFIG, {"model.file": options.model})
        config = load_config(script, {**given, "server.host": options.host, "server.port": options.port})
        for warning in config.warnings:
            logging.getLogger("ouroboros").warning(warning)
        group.follow_if_told(config)
        need_compiler()
        token = load_token(options.data, config.server.token, config.server.host)
        entrance = Entrance()
        listener = Listener(entrance, config.server.host, config.server.port, config.server.threads)
    except (ValueError, CannotListen, TokenError) as error:  # a ConfigError is a ValueError
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"{options.data}: the data folder cannot be used: {error.strerror}") from None
    from engine.engine import Engine
    from engine.errors import EngineError

    try:
        crew = group.join()
        engine = Engine(config, options.data, crew)
    except Exception as error:
        listener.stop(grace=0)
        if not isinstance(error, (ValueError, RuntimeError, OSError, EngineError)):
            logging.getLogger("ouroboros").exception("the engine could not be built")
        raise CannotStart((str(error) or type(error).__name__).splitlines()[0]) from None
    engine.start()
    entrance.application = build_app(engine, config, token.value)
    return engine, listener, token, crew


class Entrance:
    """Holds the address from the first moment; the application moves in when the model is there."""

    application = None

    def __call__(self, environ, start_response):
        """WSGI."""
        return self.application(environ, start_response)


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    options = command_line()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # ninja lives beside python
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="time=%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if not torch_sees_a_gpu():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from engine.group import follow_launcher, leave
    from server.page import Page

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    follow_launcher()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # libraries print; standard output is for those who start the program
            engine, listener, token, crew = build(options)
    except CannotStart as problem:
        print(f"app.py: {problem}", file=sys.stderr)
        return 2
    listener.start()
    print(f"listening on {listener.url}", flush=True)
    if token.new:
        print(f"token (kept in {token.path}): {token.value}", flush=True)
    page = Page(options.page, listener.url, token) if options.page else None
    while not stop.wait(0.5):  # a signal that the system gives to another thread wakes this one not; its handler runs here at the next look
        pass
    if page is not None:
        page.stop()
    engine.close(save=True)
    listener.stop(grace=1.0)
    leave(crew)
    return 0


if __name__ == "__main__":
    sys.exit(main())
