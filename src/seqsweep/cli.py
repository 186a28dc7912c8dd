"""Runs the command `seqsweep`; each subcommand imports only what it needs."""

import codecs
import contextlib
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from seqsweep.arguments import (
    Parser,
    add_allow,
    add_by,
    add_json,
    add_out,
    folder_parser,
    whole_number,
)
from seqsweep.command import Command
from seqsweep.console import (
    PlainConsole,
    is_terminal_closed,
    print_json,
    print_lines,
    say,
    say_error,
)
from seqsweep.errors import is_of_machine
from seqsweep.importing import without_collections
from seqsweep.text import nearest_or_all

_USAGE = """\
usage: seqsweep COMMAND ...

  train [KEY=VALUE ...]     train one run             seqsweep train data=digits
  train -m [KEY=A,B ...]    sweep: train a grid       seqsweep train -m sweep=architecture
  work FOLDER               train what a sweep has left, beside other workers on any host
  plan [KEY=A,B ...]        list the runs of a sweep, with estimated time
  status FOLDER             list the runs of a folder and their states, or the sweeps below it
  watch FOLDER              show a running sweep, also one started elsewhere
  leaderboard FOLDER        list the finished runs of a folder, best first
  report FOLDER             write report.html, report.csv and report.json
  figures FOLDER --out DIR  draw figures for a paper (SVG, PDF), with captions
  compare FOLDER FOLDER     compare configs and results of runs or sweeps
  tensorboard FOLDER        start TensorBoard on a folder, with readable names
  reproduce RUN_FOLDER      train a run again and compare every loss and weight
  export RUN --out FILE     write a network for other programs (.onnx)
  explain [KEY=VALUE ...]   show a network's tensors layer by layer
  predict RUN DATA          classify sequences: --out FILE.csv|.parquet|.jsonl
  evaluate RUN [DATA]       score a run on labelled sequences, or show what decides: --importance
  bundle RUN --out FILE     write one file to pass on (.zip): weights, config, scaling, ONNX
  clean FOLDER [KEY=VALUE ...]  list what could be deleted, with sizes; --yes deletes it
  data info SOURCE          describe data: sizes, channels, classes, duplicates
  data example              write example tables: gestures.csv, new.csv, recordings/
  guide                     print one page for scripts and agents

  train --help              list all config groups and values
  help COMMAND              list the options of a command, like COMMAND --help
  --version                 print the versions, the native engine, the cores and the GPU
"""

_STEPS = """\
Four steps from data to predictions:

  seqsweep train data=digits                 trains one network on bundled data, in seconds
  seqsweep data info FILE                    describes your own data, and how to train on them
  seqsweep train -m data=digits model.cell=rnn,gru,lstm 'seed=range(5)' sweep.name=first
                                             compares networks, and ends with a report
  seqsweep predict outputs/sweeps/first FILE  classifies new sequences with the best of them

`seqsweep help` lists all commands, `seqsweep train --help` the keys of a run.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits.

    The exit code is 0 if all is done, 1 if something failed or differs, 2 for wrong input, and 128
    plus the number of a signal: 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    codecs.register_error("seqsweep", _encodable)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="seqsweep")
    try:
        code = _dispatch(arguments)
    except KeyboardInterrupt:
        trains = arguments[:1] == ["train"]
        say_error(f"interrupted{'; the same command trains what is missing' * trains}")
        code = 130
    except BrokenPipeError:  # the reader of the output, for example head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except (MemoryError, ImportError, OSError, ValueError, TypeError) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            traceback.print_exc()
        code = _explain(error, arguments)
    if code and is_terminal_closed():
        # Python would fail at its exit to write the rest of the output to the terminal.
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        code = 128 + signal.SIGHUP
    sys.exit(code)


def _encodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Returns the bytes of a file's name, or question marks for what an encoding lacks."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.replace_errors(error)


def _explain(error: Exception, arguments: Sequence[str]) -> int:
    """Prints an error in one line. Returns the exit code."""
    if isinstance(error, MemoryError):
        say_error("out of memory")
    elif isinstance(error, ImportError) and "pip install" not in str(error):
        say_error(f"cannot import a package: {error}")
    elif is_of_machine(error):
        say_error(f"{error}; the files that were written before stay")
    elif arguments[:1] in (["explain"], ["evaluate"]):
        from seqsweep.sweeping.habits import with_meant

        return _refuse(with_meant(str(error), arguments))
    else:
        return _refuse(str(error))
    return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(_STEPS, end="")
        return 0
    command = arguments[0]
    if command == "help" and arguments[1:]:
        arguments = [arguments[1], "--help"]
        command = arguments[0]
    if command in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    if command in ("-V", "--version"):
        return _print_version(arguments[1:])
    if command.startswith(("-sc", "--shell_completion", "--shell-completion")):
        return _complete(arguments)
    if command not in _COMMANDS:
        from seqsweep.sweeping.habits import with_meant

        known = [*_COMMANDS, "help", "--help", "--version"]
        message = f"no command {command!r}{nearest_or_all(command, known)}"
        return _refuse(with_meant(message, arguments))
    # Passes over the objects of thousands of records take a third of the time and find nothing.
    is_reader = command in ("leaderboard", "report", "compare", "status")
    with without_collections() if is_reader else contextlib.nullcontext():
        return _COMMANDS[command](arguments[1:]) or 0


def _print_version(arguments: list[str]) -> int:
    from seqsweep.installation import installation, installation_lines

    parser = Parser("--version", "Prints the versions, the native engine, the cores and the GPU.")
    add_json(parser)
    if parser.parse(arguments).json:
        print_json(installation())
        return 0
    for line in installation_lines():
        say(line)
    return 0


def _train(arguments: list[str]) -> int:
    from seqsweep.config.from_overrides import OWN
    from seqsweep.output_log import stdout_to_stderr
    from seqsweep.sweeping.app import run

    if "--version" in arguments:  # Hydra would print its version
        return _print_version([])
    # Hydra does not know the options of seqsweep.
    rest = [word for word in arguments if word not in OWN]
    for name in ("detach", "start"):
        if f"--{name}" in arguments:
            rest.append(f"hydra.launcher.{name}=true")
    if "--yes" in arguments:
        rest.append("sweep.ask_above=null")
    is_sweep = {"-m", "--multirun"} & set(rest)
    if "--yes" in arguments and not is_sweep:
        return _refuse("--yes: needs -m, because nothing is asked before a single run")
    if "--plan-only" in arguments and not is_sweep:
        return _refuse("--plan-only: needs -m, because a single run is not planned for workers")
    options = [name for name in ("plan-only", "json") if f"--{name}" in arguments]
    command = Command("train", options)
    if "json" not in options or {"-h", "--help", "--hydra-help"} & set(rest):
        return run(command, rest)
    if shows := {"-c", "--cfg", "-i", "--info"} & {word.partition("=")[0] for word in rest}:
        return _refuse(f"{shows.pop()}: trains nothing, so --json must be left out")
    try:
        with stdout_to_stderr():
            return run(command, rest)
    finally:
        if command.answer is not None:
            print_json(command.answer())


def _plan(arguments: list[str]) -> int:
    from seqsweep.sweeping.app import run

    if {"-h", "--help"} & set(arguments):
        usage = "seqsweep plan [GROUP=OPTION,... ...] [KEY=A,B ...] [--json]"
        text = (
            "Lists the runs of a sweep, with estimated time. Trains nothing."
            " `seqsweep train --help` lists all config groups and values."
        )
        parser = Parser("plan", text, usage)
        add_json(parser)
        parser.print_help()
        return 0
    if not {"-m", "--multirun"} & set(arguments):
        arguments = ["-m", *arguments]
    rest = [word for word in arguments if word != "--json"]
    return run(Command("plan", ["json"] if "--json" in arguments else []), rest)


def _reproduce(arguments: list[str]) -> int:
    text = "Trains a run again and compares every loss and weight."
    parser = folder_parser("reproduce", text, "a run's folder")
    words = "another folder of the run from whose weights it started"
    parser.add_argument("--start-from", metavar="RUN_FOLDER", help=words)
    add_allow(parser)
    options = parser.parse(arguments)
    # Imported after the arguments are checked, because importing torch takes seconds.
    from seqsweep.sweeping.reproduce import reproduce

    return reproduce(options.folder, options.allow, options.start_from)


def _complete(arguments: list[str]) -> int:
    """Prints completions for the TAB key of a shell; Hydra completes the overrides."""
    line = os.environ.get("COMP_LINE", "")
    program, _, rest = line.partition(" ")
    word, _, overrides = rest.partition(" ")
    if word in ("train", "plan") and len(rest) > len(word):
        os.environ["COMP_LINE"] = f"{program} {overrides}"
    elif line:
        say(" ".join(name for name in _COMMANDS if name.startswith(rest)))
        return 0
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = _train(arguments)
    # Options that begin with an underscore are parts of other options.
    text = printed.getvalue().rstrip()
    print(re.sub(r"\S+=_\S*\s*", "", text) if line else text)
    return code


def _guide(arguments: list[str]) -> None:
    from seqsweep.config import CONF_DIR

    Parser("guide", "Prints one page for scripts and agents.").parse(arguments)
    page = CONF_DIR.with_name("llms.txt").read_text(encoding="utf-8")
    say(re.sub(r"<!--.*?-->\n", "", page).rstrip("\n"))  # the comments are for the page's check


def _status(arguments: list[str]) -> None:
    from seqsweep.results.status import print_status
    from seqsweep.terminal_table import MOST_ROWS

    parser = folder_parser("status", "Lists the runs of a folder and their states.")
    words = f"list all runs, even if there are more than {MOST_ROWS:,}"
    parser.add_argument("--all", action="store_true", help=words)
    add_json(parser)
    options = parser.parse(arguments)
    most = None if options.all else MOST_ROWS
    _answer(options.json, lambda console: print_status(options.folder, console, most))


def _leaderboard(arguments: list[str]) -> None:
    from seqsweep.results.by import compare_values
    from seqsweep.results.folder_tables import boards_of, print_folder, write_sets_csv
    from seqsweep.results.formatting import status_line
    from seqsweep.runs.ledger import of_this_version, read_folder

    parser = folder_parser("leaderboard", "Lists the finished runs of a folder, best first.")
    parser.add_argument(
        "--top", type=whole_number(1), metavar="N", help="show only the first N rows"
    )
    words = "print the leaderboard of every data set, even if there are more than 8"
    parser.add_argument("--all", action="store_true", help=words)
    words = "write the table over several data sets, by their ranks, as csv"
    add_out(parser, ".csv", words)
    add_by(parser)
    add_json(parser)
    options = parser.parse(arguments)
    entries, console = read_folder(options.folder, of_all_versions=True), PlainConsole()
    current = of_this_version(entries)
    by = compare_values(current, options.by, options.folder) if options.by else []
    if options.out is not None:
        write_sets_csv(options.out, options.folder, current)
    if options.json:
        print_json(boards_of(options.folder, current, options.top, by))
        return
    print_folder(console, options.folder, entries, options.top, options.all, by)
    if any(entry.state != "complete" for entry in current):
        print_lines(console, status_line(options.folder, current))


def _clean(arguments: list[str]) -> None:
    from seqsweep.results.report.write import write_report
    from seqsweep.results.status import clean
    from seqsweep.runs.clean import FAILED, INCOMPLETE, OTHER_VERSIONS, PRUNED

    text = "Lists runs and checkpoints that could be deleted, with their sizes; --yes deletes them."
    parser = folder_parser("clean", text)
    by_option: dict[str, tuple[frozenset[Any], str]] = {
        "failed": (FAILED, "failed runs"),
        "incomplete": (INCOMPLETE, "killed or interrupted runs"),
        "pruned": (PRUNED, "runs that a search has ended early"),
        "other_versions": (OTHER_VERSIONS, "runs of other versions of seqsweep"),
        "checkpoints": (frozenset(), "last.ckpt of complete runs"),
        "yes": (frozenset(), "delete them"),
    }
    for name, (_, words) in by_option.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=words)
    words = "only runs with this value; without an option above: these runs, whatever their state"
    parser.add_argument("values", nargs="*", metavar="KEY=VALUE", help=words)
    # argparse expects the positional arguments together, so the options, which have no values,
    # are moved to the front.
    options = parser.parse(sorted(arguments, key=lambda word: not word.startswith("-")))
    for word in options.values:
        if "=" not in word.strip("="):
            raise ValueError(f"{word}: must be KEY=VALUE, as in optimizer.lr=0.1")
    wanted = dict(word.split("=", 1) for word in options.values)
    chosen = (of for name, (of, _) in by_option.items() if getattr(options, name))
    states = frozenset[Any]().union(*chosen)
    console = PlainConsole()
    clean(options.folder, states, options.checkpoints, wanted, options.yes, console, write_report)


def _bundle(arguments: list[str]) -> int:
    from seqsweep.extras.export import encode
    from seqsweep.using.bundle import bundle

    return bundle(arguments, encode)


def _watch(arguments: list[str]) -> int:
    from seqsweep.live.display import watch

    parser = folder_parser("watch", "Shows a running sweep, also one that was started elsewhere.")
    return watch(parser.parse(arguments).folder, PlainConsole())


def _report(arguments: list[str]) -> int:
    from seqsweep.results.by import compare_values
    from seqsweep.results.report.write import write_report
    from seqsweep.runs.ledger import read_folder
    from seqsweep.runs.sweepfile import remove_leftovers
    from seqsweep.sweeping.baselines import write_baselines

    text = "Writes report.html, report.csv and report.json into the folder."
    parser = folder_parser("report", text)
    add_allow(parser)
    add_out(parser, ".html", "another place for the page, for a folder that cannot be written")
    add_by(parser)
    options = parser.parse(arguments)
    folder: Path = options.folder
    entries = read_folder(folder)
    by = compare_values(entries, options.by, folder) if options.by else []
    if options.out is None:
        if not os.access(folder, os.W_OK):
            cure = "--out FILE.html writes the report to another place"
            return _refuse(f"{folder}: the folder cannot be written; {cure}")
        try:
            write_baselines(folder, entries, options.allow)
        except (OSError, ValueError, TypeError) as error:
            say_error(f"no baselines: {error}")
        remove_leftovers(folder)
    try:
        paths = write_report(folder, options.out, entries, by)
    except OSError as error:
        say_error(f"no report: {error}; --out FILE.html writes it to another place")
        return 1
    for path in paths:
        say(str(path))
    return 0


def _compare(arguments: list[str]) -> None:
    from seqsweep.results.compare import compare

    parser = Parser("compare", "Compares runs or sweeps: their configs and their results.")
    words = "folders of runs or of sweeps"
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help=words)
    add_json(parser)
    options = parser.parse(arguments, intermixed=True)
    _answer(options.json, lambda console: compare(options.folders, console, options.json))


def _tensorboard(arguments: list[str]) -> int:
    from seqsweep.results.tensorboard.serve import HOST, serve

    parser = folder_parser("tensorboard", "Starts TensorBoard on a folder of runs.")
    most = "how many runs TensorBoard gets; of more, those of the best configs (500)"
    for name, least, default, words in (
        ("port", 0, 6006, "0 for any free one (6006)"),
        ("images", 0, 8, "pictures of the N best runs (8)"),
        ("runs", 1, 500, most),
    ):
        number = whole_number(least)
        parser.add_argument(f"--{name}", type=number, default=default, metavar="N", help=words)
    words = f"the address to listen on ({HOST}); 0.0.0.0 lets other machines connect"
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help=words)
    options = parser.parse(arguments)
    return serve(options.folder, options.port, options.images, options.host, most=options.runs)


def _in(module: str, function: str) -> Callable[[list[str]], int]:
    """Returns a command whose module is imported when it runs."""
    return lambda arguments: getattr(import_module(f"seqsweep.{module}"), function)(arguments)


def _answer(is_json: bool, command: Callable[[PlainConsole], dict[str, Any]]) -> None:
    """Runs a command that prints a table, or its content as JSON."""
    content = command(PlainConsole(io.StringIO() if is_json else None))
    if is_json:
        print_json(content)


def _refuse(message: str) -> int:
    """Prints why the input is wrong. Returns exit code 2."""
    # A value that was typed may have line breaks; indented lines are ours, and to be copied.
    say_error(re.sub(r"\n(?!    )", r"\\n", message))
    return 2


_COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "train": _train,
    "work": _in("sweeping.work", "work_command"),
    "plan": _plan,
    "status": _status,
    "watch": _watch,
    "leaderboard": _leaderboard,
    "report": _report,
    "compare": _compare,
    "tensorboard": _tensorboard,
    "reproduce": _reproduce,
    "export": _in("extras.export", "export_command"),
    "figures": _in("using.figures_command", "figures_command"),
    "explain": _in("using.explain_command", "explain_command"),
    "predict": _in("using.predict", "predict"),
    "evaluate": _in("using.evaluate", "evaluate"),
    "bundle": _bundle,
    "clean": _clean,
    "data": _in("using.data_command", "data"),
    "guide": _guide,
}
