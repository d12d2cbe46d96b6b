"""The command `lending`: its subcommands, and how their errors reach a person.

What belongs here: registering commands, each of which is a file of its own that imports what it
needs when it runs. What a command cannot do is one sentence on stderr and an exit code, mostly 1;
what was typed wrongly is exit code 2; a traceback is for those who ask for it by LENDING_LOG_LEVEL=debug.
"""

import os
import sys
from typing import Any

import typer

from lending.cli import (
    backtest,
    backup,
    catalogue,
    day_close,
    demo,
    epoch,
    evidence,
    explain,
    import_fannie_mae,
    import_xes,
    keys,
    log,
    mcp,
    migrate,
    models,
    moments,
    policies,
    postgres,
    products,
    projections,
    psql,
    rebuild,
    replay,
    serve,
    status,
    subjects,
    suspensions,
    tape,
    verify,
    worker,
)
from lending.runtime.errors import OperatorError


class Program(typer.Typer):
    """A command line whose errors are sentences."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that was typed, and exit."""
        try:
            return super().__call__(*args, **kwargs)
        except OperatorError as fault:
            sentence, code = str(fault), fault.exit_code
        except Exception as fault:
            if os.environ.get("LENDING_LOG_LEVEL", "").lower() == "debug":
                raise
            what = " ".join(f"{type(fault).__name__}: {fault}".split())
            sentence = f"this should not have happened: {what} (LENDING_LOG_LEVEL=debug says where)"
            code = 1
        print(f"lending: {sentence}", file=sys.stderr)
        raise SystemExit(code)


app = Program(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The ledger of record for lending that is done by software agents.",
)
imports = typer.Typer(no_args_is_help=True, help="Bring another system's history in.")
imports.command("xes")(import_xes.xes)
imports.command("fannie-mae")(import_fannie_mae.fannie_mae)
app.add_typer(imports, name="import")
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(mcp.mcp)
app.command()(worker.worker)
app.command()(migrate.migrate)
app.command()(status.status)
app.command()(suspensions.suspend)
app.command()(suspensions.reinstate)
app.command("day-close")(day_close.day_close)
app.command()(explain.explain)
app.command()(backtest.backtest)
app.command()(verify.verify)
app.command()(evidence.evidence)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(moments.show)
app.command()(moments.timeline)
app.command()(moments.diff)
app.command()(moments.decision)
app.command()(tape.tape)
app.command()(rebuild.rebuild)
app.command()(replay.replay)
app.add_typer(projections.projections, name="projections")
app.add_typer(products.products, name="products")
app.add_typer(subjects.subjects, name="subjects")
app.add_typer(policies.policies, name="policies")
app.add_typer(models.models, name="models")
app.add_typer(epoch.epoch, name="epoch")
app.add_typer(keys.keys, name="keys")
app.add_typer(log.log, name="log")
app.command()(postgres.postgres)
app.command()(catalogue.catalogue)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(psql.psql)
