"""
A script that runs `allennlp` commands, each in a copy of its own process: a start of AllenNLP takes seconds, a copy does not.
Every line of standard input is a command in JSON: `arguments`, and `environment` to set. For each, a line of JSON with `status`,
`stdout` and `stderr` goes to standard output.
"""

import gc
import json
import os
import sys
import tempfile
from typing import Any, Dict, NoReturn

import allennlp.__main__
import allennlp.commands
from allennlp.common.plugins import import_plugins


def run_copy(command: Dict[str, Any], stdout: int, stderr: int) -> NoReturn:
    """As the console script does, but for the end of the interpreter, which takes longer than many commands."""
    for file, standard in ((os.open(os.devnull, os.O_RDONLY), 0), (stdout, 1), (stderr, 2)):
        os.dup2(file, standard)
    os.environ.update(command["environment"])
    sys.argv = ["allennlp", *command["arguments"]]
    status: Any = 0
    try:
        allennlp.__main__.run()
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:  # noqa: BLE001
        # What ends the interpreter with a traceback.
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_forked(command: Dict[str, Any]) -> Dict[str, Any]:
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = os.fork()
        if process == 0:
            run_copy(command, stdout.fileno(), stderr.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        printed = {}
        for name, file in (("stdout", stdout), ("stderr", stderr)):
            file.seek(0)
            printed[name] = file.read().decode("utf-8")
    return {"status": status, **printed}


def main() -> None:
    import_plugins()
    # Once is enough for all: looking whether every module of AllenNLP is imported takes a second.
    allennlp.commands.import_plugins = lambda: None
    gc.freeze()
    for line in sys.stdin.readlines():
        print(json.dumps(run_forked(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
