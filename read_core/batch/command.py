"""``read-core batch``: many videos from one table of jobs."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ..bundled import BUNDLED
from ..limits import ATTENTION_HELP, DTYPES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core batch``."""
    parser.add_argument(
        "table",
        type=Path,
        metavar="JOBS.csv",
        help="columns portrait, speech, out, and any of seed, steps, window, guidance, alpha, beta, size, "
        "fit, face_index, detail, paste_back, output_size, track, blinks, head_motion; paths are relative to "
        "the table",
    )
    parser.add_argument(
        "--results",
        type=Path,
        help="CSV file with the result of each job (default: JOBS.results.csv next to the table)",
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=BUNDLED, help="folder (default: the bundled read-tiny)"
    )
    parser.add_argument(
        "--engine",
        default="local",
        choices=("local", "ray"),
        help="processes of this machine, or Ray (an extra)",
    )
    parser.add_argument("--workers", type=int, default=1, help="videos that are made at once")
    parser.add_argument("--retries", type=int, default=1, help="further attempts after a failure")
    parser.add_argument(
        "--gpus-per-worker",
        type=_gpus,
        metavar="N",
        help="with --engine ray: GPUs that Ray sets apart for each worker, for example 0.5 (default: 1, but "
        "0 with --device cpu; on a cluster that this command starts, this machine's are shared)",
    )
    parser.add_argument(
        "--device",
        help="cpu, cuda, cuda:1, mps, for all workers (default: the best available; of several GPUs, each "
        "worker takes another)",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help="of the models (default: the checkpoint's; on a CPU float32, or bfloat16 where fast)",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile A2V-DiT when it first runs, which takes minutes on a CPU: for many videos",
    )
    parser.add_argument("--attention", metavar="NAME", help=ATTENTION_HELP)


def run(args: argparse.Namespace) -> int:
    """Make the videos that are missing; exit status 1 if some failed."""
    from ..checkpoint import describe
    from ..compiler import check_compiler
    from ..device import best_device, checked_device
    from ..errors import InputError
    from .engines import run_rows
    from .progress import progress_for
    from .results import DONE, STARTED, Result, Results
    from .table import overwriting, read_table
    from .work import Attempt, Models

    for name in ("workers", "retries"):
        if getattr(args, name) < (name == "workers"):
            raise InputError(f"--{name} is {getattr(args, name)}; expected {int(name == 'workers')} or more")
    if args.gpus_per_worker is not None and args.engine != "ray":
        raise InputError("--gpus-per-worker is for --engine ray; other workers take the GPUs in turn")
    device = checked_device(args.device)
    if args.compile:
        check_compiler(str(device or best_device()))
    rows = read_table(args.table, describe(args.checkpoint).defaults)
    results = Results(args.results or args.table.with_suffix(".results.csv"))
    checkpoint = checkpoint_print(args.checkpoint)
    prints = {row.asked["out"]: row.fingerprint(checkpoint) for row in rows}
    missing = [row for row in rows if not results.finished(row, prints[row.asked["out"]])]
    print(f"{len(rows)} jobs, {len(rows) - len(missing)} of them done before; results: {results.path}")
    missing = [overwriting(row) if results.made_here(row) else row for row in missing]
    results.prepare()
    models = Models(
        args.checkpoint.resolve(),
        args.device,
        args.dtype,
        args.compile,
        args.gpus_per_worker,
        args.attention,
    )
    with progress_for(len(missing), args.workers) as progress:

        def started(attempt: Attempt) -> None:
            out = attempt.row.asked["out"]
            if attempt.claimed:
                results.add(Result(out, STARTED, attempts=attempt.number, fingerprint=prints[out]))
            progress.started(attempt.row, attempt.number)

        options = (models, args.workers, args.retries, progress.warned, started, progress.stopped)
        try:
            with closing(run_rows(args.engine, missing, *options)) as outcomes:
                for row, result in outcomes if missing else ():
                    results.add(replace(result, fingerprint=prints[row.asked["out"]]))
                    progress.ended(row, result)
        finally:
            results.close(missing)
    failed = sum(results.found[row.asked["out"]].state != DONE for row in rows)
    print(f"{len(rows) - failed} done, {failed} failed")
    return 1 if failed else 0


def _gpus(text: str) -> float:
    """What Ray takes: a fraction of a GPU, or a whole number of GPUs."""
    try:
        count = float(text)
    except ValueError:
        count = -1.0
    if not (0 <= count <= 1 or (count > 1 and count.is_integer())):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of GPUs; expected 0 to 1, 2, 3, ...")
    return count


def checkpoint_print(folder: Path) -> str:
    """A hash of the checkpoint's files."""
    from .table import checksum

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{path.relative_to(folder)} {checksum(path)}" for path in files)
