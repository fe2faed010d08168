"""What a target's cloud makes of code and models: the rows of the layout, resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.profiles.facts import read_from as _row


@dataclass(frozen=True)
class LayoutProfile:
    """Where files come to lie below /var/azureml-app, and which; templates as in `table.layout`."""

    code_folder_template: str = field(metadata=_row("layout.code_folder"))
    script_alone_templates: tuple[str, ...] = field(metadata=_row("layout.script_alone"))
    ignore_files: tuple[str, ...] = field(metadata=_row("layout.ignore_files"))
    takes_tool_folders: bool = field(metadata=_row("layout.tool_folders"))
    model_folder_template: str = field(metadata=_row("layout.several_models"))

    def code_folder(self, code: str) -> str:
        """Where the code folder of base name `code` comes to lie."""
        return self.code_folder_template.format(code=code)

    def script_alone(self, script_name: str) -> tuple[str, ...]:
        """Where a script without a source directory comes to lie; nothing when its folder goes along."""
        return tuple(dict.fromkeys(t.format(script_name=script_name) for t in self.script_alone_templates))

    def model_folder(self, name: str, version: str) -> str:
        """Where a model comes to lie below azureml-models."""
        return self.model_folder_template.format(model=name, version=version)
