import json
from importlib import import_module
from typing import Any, get_args

import pytest

from audiodiff_recipes.corpus import CorpusName
from audiodiff_recipes.presets import PRESETS, names_of
from audiodiff_recipes.recipe import Recipe


def recipe_of(name: str) -> Recipe[Any]:
    recipe: Recipe[Any] = import_module(f"audiodiff_recipes.{PRESETS[name].recipe}").RECIPE
    return recipe


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_whole_and_survives_json(name: str) -> None:
    recipe = recipe_of(name)
    assert recipe.name == PRESETS[name].recipe
    assert name in names_of(recipe.name)
    config = recipe.preset(name)
    assert config.description == PRESETS[name].description
    assert recipe.from_dict(json.loads(json.dumps(recipe.to_dict(config)))) == config
    assert {"train.steps", "train.batch_size"} <= PRESETS[name].values.keys()  # the defaults are no settings
    assert PRESETS[name].layout in get_args(CorpusName)
    assert getattr(config.data, "corpus", "folder") in get_args(CorpusName)
