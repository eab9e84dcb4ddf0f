"""The `ganpipe` command: parse, call, print. Everything heavy is imported inside the commands."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from pipeline import options, shell_completion
from pipeline.benchmark_command import benchmark
from pipeline.chain.config import RunConfig
from pipeline.chain.ownership import check_apart, check_working_folder
from pipeline.chain.remembered import remembering, settle
from pipeline.chain.stages import NAMES, SOURCE, STAGES, Stage
from pipeline.command_help import Command, Group, Option
from pipeline.errors import GanpipeError, UsageError, bad_path, exit_code, message, writing_to
from pipeline.exported_commands import predict, rollback, serve
from pipeline.inspect_command import inspect
from pipeline.monitor_command import monitor
from pipeline.option_values import Place, Value
from pipeline.recipes_command import recipes
from pipeline.session import session
from pipeline.terminal import Terminal, quiet_libraries
from pipeline.workspace import Workspace
from ssgan_tf.declare import FILE, FOLDER


class Commands(Group):
    """A group that ends with the exit code of a user's error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; a user's error becomes one message and its exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)
        except GanpipeError as error:
            click.echo(f"error: {message(error)}", err=True)
            ctx.exit(exit_code(error))
        except OSError as error:
            if (text := bad_path(error)) is None:
                raise
            click.echo(f"error: {text}", err=True)
            ctx.exit(exit_code(UsageError()))


@click.group(
    cls=Commands,
    epilog=shell_completion.HOW_TO,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ganpipe")
def main() -> None:
    """Semi-supervised GANs: from a pile of mostly unlabelled images to a served classifier.

    \b
    Begin here:
      ganpipe inspect photos         what is in a folder, what is wrong with it, what to run next
      ganpipe run                    the whole chain on bundled digits; open ganpipe-run/report.html
      ganpipe run --dataset folder:photos --labels labels.csv --image-size 32
                                     your images: labels.csv has a header path,label; or give class
                                     folders, photos/cat/*.jpg, without --labels
      ganpipe serve ganpipe-run/seed-0/ssgan/export/classifier
                                     then try it in a browser at http://127.0.0.1:8501
      ganpipe recipes                what can be trained
      ganpipe COMMAND --help         what a command takes
    """


def _settle(workspace: Workspace, terminal: Terminal, values: dict[str, Any]) -> RunConfig:
    """The settings of a command, which says how they differ from those that the folder was last run with."""
    file, afresh, overrides = (values.pop(name) for name in ("config_file", "afresh", "overrides"))
    settled = settle(
        workspace, file=file, afresh=afresh, overrides=overrides, options=options.settings_of(values)
    )
    for note in settled.notes:
        terminal.say(note)
    return settled.config


def _print_json(value: Any, wanted: bool) -> None:
    if wanted:
        click.echo(json.dumps(value, indent=1, default=str))


def _run_options() -> tuple[str, ...]:
    """Options of whole runs: those of preparing and training, but the ones that place a single worker."""
    every = [key for stage in STAGES for key in stage.options if stage.name in ("preprocess", "train")]
    return (
        *(key for key in every if key not in ("train.workers", "train.worker_index", "train.port")),
        *("evaluate.target_error", "evaluate.confidence", "evaluate.alpha"),
        *("evaluate.require", "evaluate.not_worse_than", "evaluate.margin"),
        "draws",
        "baseline",
    )


@main.command()
@options.setting_options(*_run_options())
@click.option(
    "--force",
    cls=Option,
    group="run",
    type=Value("TEXT", lambda ctx: NAMES),
    multiple=True,
    help="run a stage again; may be repeated",
)
@options.place_options
def run(workdir, as_json, quiet, force, **values) -> None:
    """Run all stages: preprocess, train, evaluate, export, with the paired baseline."""
    from pipeline.chain.orchestrator import check_force

    workspace = Workspace(workdir)
    check_force(force)
    with session(workspace, quiet) as terminal:
        from pipeline.chain.orchestrator import check_free, check_same_source, execute_all, finish
        from pipeline.chain.plan import plan_run
        from pipeline.interrupts import stop_on_signals
        from pipeline.reporting.report import write_report
        from pipeline.reporting.summary import show_summary, summarise
        from pipeline.sources.catalog import bring

        config = _settle(workspace, terminal, values)
        check_apart(config, workspace)
        bring(config.data.dataset, data_dir=config.data.data_dir, terminal=terminal)
        with stop_on_signals() as stop:
            nodes = plan_run(config, workspace, stop)
            check_same_source(nodes, workspace, force)
            check_free(nodes)
            with remembering(workspace, config):
                made = execute_all(nodes, terminal, force)
        with writing_to(workdir):
            summary = summarise(config, workspace, made)
            summary["report"] = str(write_report(config, workspace, summary))
        show_summary(summary, workspace, terminal)
        refused = finish(made, terminal)
    _print_json(summary, as_json)
    if refused:
        raise refused


def _stage_command(stage: Stage) -> click.Command:
    """The command that runs one stage on what is there."""

    @click.command(stage.name, cls=Command, help=stage.summary)
    @options.setting_options(*stage.options)
    @click.option(
        "--force", cls=Option, group="run", is_flag=True, help="run again even if the result is there"
    )
    @options.place_options
    def command(workdir, as_json, quiet, force, **values) -> None:
        workspace = Workspace(workdir)
        with session(workspace, quiet) as terminal:
            from pipeline.chain.orchestrator import check_same_source, execute_all, finish
            from pipeline.chain.plan_alone import plan_alone
            from pipeline.interrupts import stop_on_signals

            forced = [stage.name] if force else []
            config = _settle(workspace, terminal, values)
            if SOURCE in stage.inputs.values():
                from pipeline.sources.catalog import bring

                check_apart(config, workspace)
                bring(config.data.dataset, data_dir=config.data.data_dir, terminal=terminal)
            with stop_on_signals() as stop:
                nodes = plan_alone(stage, config, workspace, stop)
                check_same_source(nodes, workspace, forced)
                # of several workers one writes, here too
                notes = remembering(workspace, config, stage) if nodes[-1].publishes else nullcontext()
                with notes:
                    # the last is that of the whole draw
                    made = execute_all(nodes, terminal, forced)
            node, result = made[-1]
            if node.publishes:
                terminal.say(f"written to {node.folder}")
            refused = finish(made, terminal)
        _print_json(result, as_json)
        if refused:
            raise refused

    return command


for _stage in STAGES:
    main.add_command(_stage_command(_stage))


@main.command()
@options.setting_options(*_run_options())
@options.place_options
def explain(workdir, as_json, quiet, **values) -> None:
    """Say for each stage whether it would be reused, and if not what changed.

    Takes the settings that `ganpipe run` would be given.
    """
    workspace = Workspace(workdir)
    check_working_folder(workspace)
    # it only looks: a working folder that is not there, or cannot be written to, stays as it is
    with quiet_libraries(None):
        from pipeline.chain.orchestrator import check_same_source, decide
        from pipeline.chain.plan import plan_run

        terminal = Terminal(sys.stderr, quiet)
        config = _settle(workspace, terminal, values)
        nodes = plan_run(config, workspace)
        decisions = [decide(node) for node in nodes]
        try:
            check_same_source(nodes, workspace)
        except UsageError as error:
            terminal.warn(f"`ganpipe run` would refuse: {error}")
    _print_json([{"node": d.node.name, "reasons": d.reasons} for d in decisions], as_json)
    for decision in decisions if not as_json else ():
        click.echo(f"{decision.node.name}: {'reused' if decision.reused else 'would run'}")
        for reason in decision.reasons:
            click.echo(f"    {reason}")


main.add_command(recipes)


@main.command()
@click.option("--yes", is_flag=True, help="Remove what is listed.")
@options.workdir_option
def clean(workdir: Path, yes: bool) -> None:
    """List what stopped runs left in a working folder, with sizes; remove it with --yes."""
    from pipeline.chain.leftovers import find_leftovers, in_words
    from pipeline.chain.publishing import remove_leftover

    check_working_folder(Workspace(workdir))
    found = find_leftovers(Workspace(workdir))
    for item in found:
        click.echo(f"{item.bytes / 2**20:8.1f} MiB  {item.path}  {in_words(item)}")
    if not found:
        click.echo(f"nothing unfinished in {workdir}")
    elif yes:
        for item in found:
            remove_leftover(item)
        click.echo(f"removed {len(found)}")
    else:
        click.echo("nothing was removed; --yes removes all of it")


@main.command()
@click.argument("places", nargs=-1, type=Place(FOLDER), metavar="[PLACES]...")
@click.option(
    "--page",
    cls=Option,
    group="output",
    type=Place(FILE),
    help="write the runs side by side into this HTML file",
)
@click.option("--json", "as_json", cls=Option, group="output", is_flag=True, help="print the list as JSON")
def runs(places: tuple[Path, ...], page: Path | None, as_json: bool) -> None:
    """List the working folders at and below PLACES (here, if none is given) with what came of each.

    \b
    ganpipe runs
    ganpipe runs one another --page compare.html
    """
    with quiet_libraries(None):
        from pipeline.reporting import runs as listing
        from pipeline.reporting.compare import check_page, write_page

        found = listing.find_runs(places or (Path(),))
        if page:
            check_page(page, found)
            with writing_to(page.parent):
                write_page(found, page)
    _print_json([item.document() for item in found], as_json)
    if not as_json and found:
        folders = "1 working folder" if len(found) == 1 else f"{len(found)} working folders"
        Terminal(sys.stdout).table(folders, listing.HEADER, listing.rows(found))
    elif not as_json:
        click.echo("no working folder of ganpipe here")


main.add_command(inspect)
main.add_command(benchmark)
main.add_command(predict)
main.add_command(serve)
main.add_command(monitor)
main.add_command(rollback)


if __name__ == "__main__":
    main()
