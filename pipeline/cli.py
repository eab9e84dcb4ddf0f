"""The `ganpipe` command: parse, call, print. Everything heavy is imported inside the commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pipeline import options
from pipeline.config import RunConfig, evaluation_of, load_config
from pipeline.errors import GanpipeError, writing_to
from pipeline.serving.settings import ServeConfig
from pipeline.stages.predict.settings import PredictConfig
from pipeline.terminal import Terminal, quiet_libraries
from ssgan_tf.declare import build


class Commands(click.Group):
    """A group that ends with the exit code of a user's error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; a user's error becomes one message and its exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)
        except GanpipeError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ganpipe")
def main() -> None:
    """Semi-supervised GANs: from a pile of mostly unlabelled images to a served classifier.

    \b
    ganpipe run                                  the whole chain, on bundled digits
    ganpipe run --dataset folder:photos --labels labels.csv --image-size 32
    ganpipe explain                              why a stage would run again
    """


@contextmanager
def _session(workdir: Path, quiet: bool) -> Iterator[Terminal]:
    """The terminal of a command, with the libraries' output in WORKDIR/ganpipe.log."""
    log, fresh = workdir / "ganpipe.log", not workdir.exists()
    with writing_to(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        log.touch()
    try:
        with quiet_libraries(log):
            yield Terminal(sys.stderr, quiet)
    except GanpipeError:
        # a mistake that stopped the command before any stage leaves nothing behind
        if fresh and list(workdir.iterdir()) == [log]:
            log.unlink()
            workdir.rmdir()
        raise


def _config(config_file: Path | None, overrides: tuple[str, ...], seed: Any, values: dict) -> RunConfig:
    chosen = options.settings_of({**values, "seed": seed})
    return load_config(file=config_file, overrides=overrides, options=chosen)


def _print_json(value: Any, wanted: bool) -> None:
    if wanted:
        click.echo(json.dumps(value, indent=1, default=str))


@main.command()
@options.setting_options(*options.DATA, *options.TRAIN, "draws", "baseline")
@click.option("--force", multiple=True, metavar="STAGE", help="Run a stage again; may be repeated.")
@options.place_options
def run(workdir, config_file, overrides, seed, as_json, quiet, force, **values) -> None:
    """Run all stages: preprocess, train, evaluate, export, with the paired baseline."""
    from pipeline.chain.orchestrator import check_force

    config = _config(config_file, overrides, seed, values)
    check_force(force)
    with _session(workdir, quiet) as terminal:
        from pipeline.chain.orchestrator import check_same_dataset, execute_all
        from pipeline.chain.plan import plan_run
        from pipeline.interrupts import stop_on_signals
        from pipeline.reporting.report import write_report
        from pipeline.reporting.summary import save_config, show_summary, summarise

        with stop_on_signals() as stop:
            nodes = plan_run(config, workdir, stop)
            check_same_dataset(nodes, workdir, force)
            save_config(config, workdir)
            summaries = execute_all(nodes, terminal, force)
        summary = summarise(config, workdir, summaries)
        summary["report"] = str(write_report(config, workdir, summary))
        show_summary(summary, workdir, terminal)
    _print_json(summary, as_json)


@main.command()
@options.setting_options(*options.DATA)
@click.option("--force", is_flag=True, help="Run again even if the result is there.")
@options.place_options
def preprocess(workdir, config_file, overrides, seed, as_json, quiet, force, **values) -> None:
    """Read a data set, draw the labelled set and write TFRecords."""
    config = _config(config_file, overrides, seed, values)
    with _session(workdir, quiet) as terminal:
        from pipeline.chain.orchestrator import check_same_dataset
        from pipeline.chain.plan import preprocess_node

        node = preprocess_node(config.data, seed=config.seed, workdir=workdir)
        check_same_dataset([node], workdir, ["preprocess"] if force else [])
        result = _one(node, terminal, force)
    _print_json(result, as_json)


@main.command()
@options.setting_options(*options.TRAIN, "train.workers", "train.worker_index")
@click.option("--force", is_flag=True, help="Run again even if the result is there.")
@options.place_options
def train(workdir, config_file, overrides, seed, as_json, quiet, force, **values) -> None:
    """Train a recipe on the prepared data; resumes where a killed run stopped."""
    config = _config(config_file, overrides, seed, values)
    with _session(workdir, quiet) as terminal:
        from pipeline.chain.plan import Input, draw_folder, train_node
        from pipeline.interrupts import stop_on_signals

        with stop_on_signals() as stop:
            data = Input.published(draw_folder(workdir, config.seed) / "data", "preprocess")
            node = train_node(
                config.train, config.recipe, seed=config.seed, workdir=workdir, data=data, stop=stop
            )
            result = _one(node, terminal, force)
    _print_json(result, as_json)


@main.command()
@options.setting_options("train.recipe", "evaluate.split")
@click.option("--force", is_flag=True, help="Run again even if the result is there.")
@options.place_options
def evaluate(workdir, config_file, overrides, seed, as_json, quiet, force, **values) -> None:
    """Evaluate a trained recipe on the held-out split."""
    config = _config(config_file, overrides, seed, values)
    with _session(workdir, quiet) as terminal:
        from pipeline.chain.plan import evaluate_node

        node = evaluate_node(evaluation_of(config), **_trained(config, workdir))
        result = _one(node, terminal, force)
    _print_json(result, as_json)


@main.command()
@options.setting_options(
    "train.recipe", "export.version", "export.format", "export.temperature", "export.abstain_below"
)
@click.option("--force", is_flag=True, help="Run again even if the result is there.")
@options.place_options
def export(workdir, config_file, overrides, seed, as_json, quiet, force, **values) -> None:
    """Export a trained recipe as SavedModels, and check that they answer as it does."""
    config = _config(config_file, overrides, seed, values)
    with _session(workdir, quiet) as terminal:
        from pipeline.chain.artifacts import read_manifest
        from pipeline.chain.plan import Input, export_node

        made = _trained(config, workdir)
        folder = made["model"].folder.parent / "evaluate"
        metrics = Input.published(folder, "evaluate") if read_manifest(folder) else None
        node = export_node(config.export, **made, metrics=metrics)
        result = _one(node, terminal, force)
    _print_json(result, as_json)


@main.command()
@options.setting_options(*options.DATA, *options.TRAIN, "draws", "baseline")
@options.place_options
def explain(workdir, config_file, overrides, seed, as_json, quiet, **values) -> None:
    """Say for each stage whether it would be reused, and if not what changed.

    Takes the settings that `ganpipe run` would be given; without any, those of the last run.
    """
    from pipeline.reporting.summary import CONFIG_FILE

    if config_file is None and (workdir / CONFIG_FILE).is_file():
        config_file = workdir / CONFIG_FILE
    config = _config(config_file, overrides, seed, values)
    with _session(workdir, quiet=False) as terminal:
        from pipeline.chain.orchestrator import decide
        from pipeline.chain.plan import plan_run

        decisions = [decide(node) for node in plan_run(config, workdir)]
        for decision in decisions:
            terminal.say(f"{decision.node.name}: {'reused' if decision.reused else 'would run'}")
            for reason in decision.reasons:
                terminal.say(f"    {reason}")
    _print_json([{"node": d.node.name, "reasons": d.reasons} for d in decisions], as_json)


@main.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGES...")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("ganpipe-run/seed-0/ssgan/export/classifier"),
    show_default=True,
    help="Exported classifier.",
)
@click.option("--output", type=click.Path(path_type=Path), help="File to write; default: standard output.")
@click.option("--quiet", is_flag=True, help="Show warnings and errors only.")
@options.setting_options(*options.PREDICT)
def predict(images, model, output, quiet, **values) -> None:
    """Classify images: files, folders, patterns or TFRecords, to CSV, JSON lines or Parquet."""
    config = build(PredictConfig, _section(values, "predict"))
    with quiet_libraries(None):
        from pipeline.stages.predict import stage

        stage.run(config, model=model, inputs=images, output=output, terminal=Terminal(sys.stderr, quiet))


@main.command()
@click.argument("model_dir", metavar="MODEL_DIR")
@options.setting_options(*options.SERVE)
def serve(model_dir, **values) -> None:
    """Serve an exported model over TensorFlow Serving's REST API, with a page at /.

    MODEL_DIR holds one numbered folder a version; its name is the model's, unless --name is given.
    """
    config = build(ServeConfig, {"model_dir": model_dir, **_section(values, "serve")})
    with quiet_libraries(None):
        from pipeline.serving.server import serve as run_server

        run_server(config, Terminal(sys.stderr))


def _section(values: dict[str, Any], section: str) -> dict[str, Any]:
    chosen = options.settings_of(values)
    return {key.removeprefix(f"{section}."): value for key, value in chosen.items()}


def _trained(config: RunConfig, workdir: Path) -> dict[str, Any]:
    """The arguments that place a stage behind the trained recipe of the configuration."""
    from pipeline.chain.plan import Input, draw_folder

    draw = draw_folder(workdir, config.seed)
    return {
        "seed": config.seed,
        "workdir": workdir,
        "recipe": config.train.recipe,
        "model": Input.published(draw / config.train.recipe / "train", "train"),
        "data": Input.published(draw / "data", "preprocess"),
    }


def _one(node: Any, terminal: Terminal, force: bool) -> dict[str, Any]:
    from pipeline.chain.orchestrator import execute

    result = execute(node, terminal, [node.fingerprint.stage] if force else [])
    if node.publishes:
        terminal.say(f"written to {node.folder}")
    return result


if __name__ == "__main__":
    main()
