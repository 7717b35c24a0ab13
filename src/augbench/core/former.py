"""Keys of params.yaml that an earlier augbench read: what each has become."""

from __future__ import annotations

from typing import Any

from augbench.core.errors import UserError


def require_present_form(content: dict[str, Any]) -> None:
    """Raises UserError for a key of an earlier form; what is wrong in another way is left to the validation."""
    labelling = content.get("labelling")
    if isinstance(labelling, str) or "label_source" in content:
        _refuse(
            "'labelling' is no longer one word for the whole study",
            f"labelling: {labelling}" if isinstance(labelling, str) else "label_source",
            "a section with an entry for each set of frames that gets other masks than the generator's",
            "remove label_source, and write 'labelling: {}'; for pseudo or manual masks, add an entry and name it in "
            "'synthetic' of the arms (docs/studies.md)",
        )
    arms = content.get("arms")
    generated = arms.get("generated") if isinstance(arms, dict) else None
    for name, arm in generated.items() if isinstance(generated, dict) else ():
        if isinstance(arm, dict) and "generator" in arm:
            _refuse(
                f"'arms.generated.{name}.generator' has another name now",
                f"generator: {arm['generator']}",
                "synthetic: a name in generators or in labelling",
                "rename 'generator' to 'synthetic' in the arms",
            )


def _refuse(what: str, got: str, expected: str, remedy: str) -> None:
    raise UserError(what, got=got, expected=expected, remedy=remedy, file="params.yaml")
