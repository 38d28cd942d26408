"""Recipe files: YAML whose keys are the names of the flags.

YAML 1.1 reads the key `on` as true and `1e-3` as text. Recipes are read by the rules
of YAML 1.2 in these two points, so that they mean what they look like.
"""

import re
from pathlib import Path
from typing import Any

from burnish.errors import UsageError

__all__ = ["read_recipe"]

BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
NUMBER = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$")


def read_recipe(path: Path) -> dict[str, Any]:
    """The `flag: value` lines of the file `path`; `Recipe.from_mapping` checks the keys.

    Raises:
        UsageError: the file is not there, is not YAML, or holds something else.
    """
    import yaml

    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"could not read the recipe {path}: {error}; `burnish init` writes one") from error
    except yaml.YAMLError as error:
        raise UsageError(f"the recipe {path} is not YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"the recipe {path} must hold lines such as `epochs: 20`, one for each flag")
    return values


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML's safe loader with the words and numbers of YAML 1.2."""

    # PyYAML keeps resolvers by first letter; a copy leaves the one everybody shares alone.
    kept = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"}
    Loader.yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in found if tag not in kept]
        for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", BOOLEAN, list("tTfF"))
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
    return Loader
