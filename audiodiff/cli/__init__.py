"""The command line: one module per command, each with `add_parser(subparsers)` and `run(args) -> int`.

Modules import nothing heavy at their top, so that `--help` and a mistyped flag answer at once.
"""
