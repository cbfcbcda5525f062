"""Map renamed arguments to keys of ``config.json``, which keep their old names in checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from diffusers.configuration_utils import ConfigMixin


class SavedKeys(ConfigMixin):  # type: ignore[misc]
    """A ``ConfigMixin`` whose files may call an argument otherwise: both names are read, one is written."""

    saved_keys: ClassVar[Mapping[str, str]] = {}
    """Key in the file -> argument."""

    @classmethod
    def renamed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` of a file by the names of the arguments."""
        return {cls.saved_keys.get(key, key): value for key, value in values.items()}

    @classmethod
    def extract_init_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """See diffusers; called with what a file holds."""
        return super().extract_init_dict(cls.renamed(config_dict), **kwargs)

    def to_json_string(self) -> str:
        """The content of ``config.json``."""
        keys = {argument: key for key, argument in self.saved_keys.items()}
        values = json.loads(super().to_json_string())
        return json.dumps({keys.get(k, k): v for k, v in values.items()}, indent=2, sort_keys=True) + "\n"
