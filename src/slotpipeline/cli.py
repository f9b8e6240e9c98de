"""The command line: `slotmachines --help`."""

from __future__ import annotations

from collections.abc import Callable

import typer

from slotmachines.errors import UserError, how_to_install
from slotpipeline import demo_verb, progress_verbs, results_verbs, ticket_verbs, trace_verbs, training_verbs
from slotpipeline.command import one_line_errors

_OPTIONAL_PARTS = {
    "data": ("PIL", "pyarrow", "sklearn", "torchvision"),
    "tensorboard": ("tensorboard",),
    "report": ("jinja2", "jsonschema", "matplotlib", "scipy", "tabulate"),
}

app = typer.Typer(
    help="Slot machines: networks that choose each weight among K fixed random values.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

TRAINING: list[Callable[..., None]] = [
    demo_verb.demo,
    training_verbs.fetch,
    training_verbs.train,
    training_verbs.finetune,
    training_verbs.plan,
    training_verbs.train_all,
    training_verbs.work,
    progress_verbs.status,
    progress_verbs.watch,
    results_verbs.show,
    results_verbs.claims,
    results_verbs.export,
    trace_verbs.explain,
    trace_verbs.crate,
    ticket_verbs.to_ticket,
    ticket_verbs.inspect,
    ticket_verbs.to_onnx,
    ticket_verbs.to_folder,
    results_verbs.predictions,
]
WORKFLOW: list[Callable[..., None]] = [
    results_verbs.collect,
    results_verbs.table,
    results_verbs.summary,
    results_verbs.report,
    results_verbs.readme,
    results_verbs.dictionary,
    results_verbs.paper_numbers,
]
for verb in TRAINING:
    app.command()(verb)
for verb in WORKFLOW:
    app.command(rich_help_panel="Called by the workflow")(verb)


def main() -> None:
    """Run the command; bad input, and an optional part that is not installed, end it with one line and status 2."""
    with one_line_errors("slotmachines"):
        try:
            app(prog_name="slotmachines")
        except ImportError as error:
            # pandas wraps the error of a library that it needs.
            name = (error.name or getattr(error.__cause__, "name", None) or "").partition(".")[0]
            part = next((part for part, names in _OPTIONAL_PARTS.items() if name in names), None)
            if part is None:
                raise
            raise UserError(f"this command needs {name}, which is not installed; {how_to_install(part)}") from None
