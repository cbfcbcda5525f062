"""The command line: ``read-core generate | batch | face | info | corpus | init | prepare |
captions | train | checkpoint | evaluate | bench``.

Exit status: 0 done, 2 bad input or too little memory (one line on standard error), 130 interrupted, 143 and
129 ended by SIGTERM and SIGHUP.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import NoReturn

from ..errors import ReadError
from ..terminal import forgiving_output, print_message, running_command, stop_signals
from ..usage import out_of_memory
from ..version import __version__

BAD_INPUT = 2
INTERRUPTED = 130


def _generate() -> ModuleType:
    from . import generate as cli_generate

    return cli_generate


def _batch() -> ModuleType:
    from ..batch import command

    return command


def _face() -> ModuleType:
    from ..face import command

    return command


def _info() -> ModuleType:
    from . import info as cli_info

    return cli_info


def _corpus() -> ModuleType:
    from ..corpus import command

    return command


def _init() -> ModuleType:
    from . import init as cli_init

    return cli_init


def _prepare() -> ModuleType:
    from ..footage import command

    return command


def _captions() -> ModuleType:
    from . import captions as cli_captions

    return cli_captions


def _train() -> ModuleType:
    from ..training import command

    return command


def _checkpoint() -> ModuleType:
    from ..training import checkpoint_command

    return checkpoint_command


def _evaluate() -> ModuleType:
    from ..evaluation import command

    return command


def _bench() -> ModuleType:
    from ..bench import command

    return command


# Name -> module with configure(parser) and run(args), imported when the command is used, and its summary.
COMMANDS: Mapping[str, tuple[Callable[[], ModuleType], str]] = {
    "generate": (_generate, "turn a portrait and a recording into a talking-head video"),
    "batch": (_batch, "make many videos from a table"),
    "face": (_face, "find the faces in a picture and draw them"),
    "info": (_info, "show what a checkpoint holds and what it was trained on"),
    "corpus": (_corpus, "make the procedural corpus of synthetic presenters"),
    "init": (_init, "turn the files of LTX-Video and Whisper into the folders that training starts from"),
    "prepare": (_prepare, "turn videos of talking people into material for training"),
    "captions": (_captions, "embed the captions of prepared videos by T5"),
    "train": (_train, "run one training stage from its YAML file"),
    "checkpoint": (_checkpoint, "assemble a checkpoint folder from finished parts"),
    "evaluate": (_evaluate, "measure a checkpoint on held-out material"),
    "bench": (_bench, "measure how fast this machine is"),
}


class Parser(argparse.ArgumentParser):
    """An argument parser with one-line error messages."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave with the status of bad input."""
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the default to the help text, unless there is none or the text has it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        plain = action.default in (None, [], "") or action.default is False  # a default of 0 is shown
        stated = "(default" in (action.help or "") or action.required or plain
        return action.help if stated else super()._get_help_string(action)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    with forgiving_output(), stop_signals() as came:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
    return 128 + came[0] if came and status == INTERRUPTED else status


def _run(arguments: list[str]) -> int:
    try:
        args = _parser(arguments).parse_args(arguments)
        with running_command(arguments):
            status: int | None = COMMANDS[args.command][0]().run(args)
        return status or 0
    except ReadError as error:
        return _exit_status(f"error: {error}", BAD_INPUT)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("read_core"):
            raise
        return _exit_status(
            f"error: this command needs the package {error.name}, which is not installed", BAD_INPUT
        )
    except KeyboardInterrupt as interrupt:
        return _exit_status("; ".join(filter(None, ("interrupted", str(interrupt)))), INTERRUPTED)
    except Exception as error:
        from ..media.files import disk_full, reason

        if disk_full(error):
            return _exit_status(
                f"error: out of disk space ({reason(error)}); free some space and run the same command "
                "again: what was finished before is kept",
                BAD_INPUT,
            )
        trouble = out_of_memory(error)
        if trouble is None:
            raise
        return _exit_status(
            f"error: {trouble}; choose a smaller size or window, or free some memory", BAD_INPUT
        )


def _parser(arguments: Sequence[str]) -> Parser:
    parser = Parser(
        prog="read-core",
        description="READ: one portrait and one recording become a talking-head video.",
        epilog="read-core COMMAND --help explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"read-core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=_Help,
        )
        if name == chosen:
            module().configure(command)
    return parser


def _exit_status(message: str, status: int) -> int:
    print_message(message)
    return status


if __name__ == "__main__":
    sys.exit(main())
