"""`audiodiff prompts`: keep prompts by name, find them again, and see the words that a model knows."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.cli.output import tell
from audiodiff.errors import AudiodiffError

if TYPE_CHECKING:
    from audiodiff.text.library import SavedPrompt

_SHOWN = 72
"""Characters of a prompt that a list shows."""


def add_parser(subparsers: Any) -> None:
    """Add the command and what it does to the command line."""
    parser = subparsers.add_parser(
        "prompts",
        help="keep, find and share prompts; see the words a model knows",
        description="A library of prompts in your data folder (AUDIODIFF_PROMPTS gives another file).",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    listed = actions.add_parser("list", help="all prompts, one a line")
    listed.add_argument("--json", action="store_true", help="print JSON")

    shown = actions.add_parser("show", help="one prompt with everything that was saved with it")
    shown.add_argument("name")
    shown.add_argument("--json", action="store_true", help="print JSON")

    saved = actions.add_parser("save", help="put a prompt into the library")
    saved.add_argument("name")
    saved.add_argument("prompt", nargs="?", help="the text; left out with --from")
    saved.add_argument("--from", dest="source", type=Path, metavar="FILE", help="take what made a sound file")
    saved.add_argument("--negative", help="what is to be avoided")
    saved.add_argument("--seed", type=int, help="seed that it sounded good with")
    saved.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    saved.add_argument("--tag", dest="tags", action="append", default=[], help="a tag (may be given again)")
    saved.add_argument("--replace", action="store_true", help="in the place of another prompt of that name")

    removed = actions.add_parser("remove", help="take a prompt out of the library")
    removed.add_argument("name")

    searched = actions.add_parser("search", help="prompts in which all words occur")
    searched.add_argument("words", nargs="*")
    searched.add_argument("--tag", dest="tags", action="append", default=[], help="a tag that must be there")
    searched.add_argument("--json", action="store_true", help="print JSON")

    tagged = actions.add_parser("tag", help="give a prompt tags")
    tagged.add_argument("name")
    tagged.add_argument("tags", nargs="*", metavar="TAG")
    tagged.add_argument(
        "--remove", dest="removed", action="append", default=[], metavar="TAG", help="a tag to take away"
    )

    exported = actions.add_parser("export", help="write prompts into a file")
    exported.add_argument("file", type=Path)
    exported.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all)")

    imported = actions.add_parser("import", help="take in the prompts of such a file")
    imported.add_argument("file", type=Path)
    conflict = imported.add_mutually_exclusive_group()
    conflict.add_argument("--skip", action="store_true", help="keep the present prompt where a name is taken")
    conflict.add_argument("--replace", action="store_true", help="take the imported prompt where a name is taken")

    words = actions.add_parser("words", help="the words that a model was trained on")
    words.add_argument("--model", default="music", help="name, folder or hf:ORG/NAME (default: music)")
    words.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do one thing with the library."""
    from audiodiff.text import library

    if args.action == "list":
        _print_list(library.search_prompts(), as_json=args.json)
    elif args.action == "search":
        _print_list(library.search_prompts(" ".join(args.words), tags=args.tags), as_json=args.json)
    elif args.action == "show":
        _print_one(library.get_prompt(args.name), as_json=args.json)
    elif args.action == "save":
        kept = library.save_prompt(_to_save(args), replace=args.replace)
        tell(f"saved {kept.name!r}")
    elif args.action == "remove":
        library.remove_prompt(args.name)
        tell(f"removed {args.name.strip()!r}")
    elif args.action == "tag":
        if not args.tags and not args.removed:
            raise AudiodiffError("give a tag, or --remove TAG.")
        tagged = library.tag_prompt(args.name, args.tags, remove=args.removed)
        tell(f"{tagged.name!r} has the tags {', '.join(tagged.tags) or '(none)'}")
    elif args.action == "export":
        tell(f"{args.file}: {_count(library.export_prompts(args.file, args.names))}")
    elif args.action == "import":
        policy: library.OnConflict = "replace" if args.replace else "skip" if args.skip else "refuse"
        came, skipped = library.import_prompts(args.file, on_conflict=policy)
        tell(f"{_count(came)} imported" + (f", {skipped} skipped whose names are taken" if skipped else ""))
    else:
        _print_words(args.model, as_json=args.json)
    return 0


def _to_save(args: argparse.Namespace) -> "SavedPrompt":
    from audiodiff.text.library import SavedPrompt

    if (args.prompt is None) == (args.source is None):
        raise AudiodiffError("give either the text of the prompt, or --from FILE.")
    prompt, negative, seed, settings = args.prompt, "", None, {}
    if args.source is not None:
        from audiodiff.synthesis.provenance import read_provenance

        record = read_provenance(args.source)
        if not record.prompt:
            raise AudiodiffError(
                f"{args.source} was made by `audiodiff {record.verb}` without a prompt; nothing to save."
            )
        prompt, negative, seed, settings = record.prompt, record.negative, record.seed, dict(record.settings)
    return SavedPrompt(
        name=args.name,
        prompt=prompt,
        negative=negative if args.negative is None else args.negative,
        settings=settings | dict(_setting(text) for text in args.settings),
        seed=seed if args.seed is None else args.seed,
        tags=tuple(args.tags),
    )


def _setting(text: str) -> tuple[str, Any]:
    """Read "steps=20" or "sampler=heun": the value as JSON if it is, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise AudiodiffError(f"--set has {text!r}; expected NAME=VALUE, such as steps=20.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def _print_list(prompts: "list[SavedPrompt]", *, as_json: bool) -> None:
    from audiodiff.text.library import library_path

    if as_json:
        tell(json.dumps([saved.to_dict() for saved in prompts], indent=2))
        return
    width = max((len(saved.name) for saved in prompts), default=0)
    for saved in prompts:
        text = _line(saved.prompt)
        shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
        tell(f"{saved.name:<{width}}  {shown}" + (f"  [{', '.join(saved.tags)}]" if saved.tags else ""))
    if not prompts:
        tell(f"no prompts found (the library is {library_path()})")


def _print_one(saved: "SavedPrompt", *, as_json: bool) -> None:
    if as_json:
        tell(json.dumps(saved.to_dict(), indent=2))
        return
    tell(saved.name)
    lines = {
        "prompt": saved.prompt,
        "negative": saved.negative,
        "seed": "" if saved.seed is None else str(saved.seed),
        "settings": ", ".join(f"{name} {value}" for name, value in saved.settings.items()),
        "tags": ", ".join(saved.tags),
        "created": saved.created,
    }
    for label, text in lines.items():
        if text:
            tell(f"  {label:<10}{_line(text)}")


def _print_words(model: str, *, as_json: bool) -> None:
    from audiodiff.models.find import find_checkpoint, read_model_config
    from audiodiff.text.vocabulary import vocabulary

    metadata = read_model_config(find_checkpoint(model)).get("metadata", {})
    found = vocabulary(metadata) if isinstance(metadata, dict) else {}
    if not found:
        raise AudiodiffError(
            f"the model {model} states no vocabulary: it takes no prompts, or was trained without captions; "
            "give another with --model."
        )
    if as_json:
        tell(json.dumps(found, indent=2))
        return
    for kind, words in found.items():
        tell(f"{kind:<13}{_line(', '.join(words))}")


def _count(number: int) -> str:
    return f"{number} prompt{'' if number == 1 else 's'}"


def _line(text: str) -> str:
    """Return text for one line of a terminal: prompts may come from files of others."""
    return "".join(c if c.isprintable() else " " for c in text)
