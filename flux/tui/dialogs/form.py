"""Ask for a value: the answer to a wait, or the input of a workflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from flux.errors import ConflictError, FluxError, InvalidInputError
from flux.tui.bindings import bindings
from flux.tui.dialogs.base import Dialog
from flux.tui.model.format import preview
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.schema import FORM, place_all
from flux.tui.model.text import Span, clean
from flux.tui.widgets.json_view import JsonView
from flux.tui.widgets.schema_form import SchemaForm


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        submit: what the deed is called.
        shown: what the person must judge, above the form.
        draft: under which name unfinished input is kept; "" keeps none.
        last: values given before, newest first.
        optional: no value at all is fine too.
    """

    title: str
    submit: str
    schema: Mapping[str, Any] | None
    shown: Any = None
    value: Any = None
    has_value: bool = False
    draft: str = ""
    last: list[Any] = field(default_factory=list)
    optional: bool = False


class FormDialog(Dialog[None]):
    """Sends what was typed; closes when it was accepted.

    Args:
        send: raises `InvalidInputError` to have the errors shown, `ConflictError` to close with a notice.
    """

    BINDINGS = bindings("form", priority=True)
    CSS_PATH = "form.tcss"
    AUTO_FOCUS = ""

    def __init__(self, asked: Asked, send: Callable[[Any], Awaitable[None]]) -> None:
        super().__init__()
        self.asked = asked
        self._send = send
        self._sending = False

    def compose(self) -> ComposeResult:
        """What is judged, then the form."""
        asked = self.asked
        with Vertical(classes="dialog") as box:
            box.border_title = Content(asked.title)
            box.border_subtitle = Content(self._keys())
            if asked.shown is not None:
                yield JsonView(id="shown")
            yield SchemaForm(asked.schema, asked.value, has_value=asked.has_value)

    def _keys(self) -> str:
        keys = [f"ctrl+s {self.asked.submit}"]
        if self.asked.schema:
            keys.append("ctrl+t Raw JSON")
        if self.asked.last:
            keys.append("ctrl+y Last inputs")
        return " · ".join([*keys, "esc Back"])

    @property
    def form(self) -> SchemaForm:
        """The fields."""
        return self.query_one(SchemaForm)

    def on_mount(self) -> None:
        """Show what is judged, bring back an unfinished draft."""
        if self.asked.shown is not None:
            view = self.query_one("#shown", JsonView)
            view.show_sections([("", self.asked.shown)])
            view.can_focus = len(view.rows.items) > 8
            view.pane = Pane(PaneState.READY)
        draft = self.flux.drafts.get(self.asked.draft) if self.asked.draft else None
        if draft is not None:
            self.form.restore(draft)
        self.form.focus_first()

    def on_resize(self) -> None:
        """Fields scroll when they do not fit."""
        height = self.app.size.height
        room = height - 6
        if self.asked.shown is not None:
            view = self.query_one("#shown", JsonView)
            view.styles.height = rows = max(min(len(view.rows.items), height // 4), 2)
            room -= rows + 1
        self.form.set_room(max(room, 4))

    def set_focus(self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False) -> None:
        """The form itself scrolls, so that a field is in sight together with its label."""
        super().set_focus(widget, scroll_visible=False, from_app_focus=from_app_focus)

    def on_input_submitted(self) -> None:
        """Enter in the only field there is."""
        if len(self.form.form.fields) == 1:
            self.form_submit()

    def form_raw(self) -> None:
        """Fields or raw text."""
        self.form.toggle_raw()

    def form_previous(self) -> None:
        """Choose an earlier value."""
        from flux.tui.dialogs.choice import ChoiceDialog

        if not self.asked.last:
            return
        options = [(preview(value), (value,)) for value in self.asked.last]
        self.app.push_screen(
            ChoiceDialog("Last inputs", options), lambda taken: self.form.fill(taken[0]) if taken else None
        )

    def form_close(self) -> None:
        """Back; the draft is kept."""
        if self.asked.draft:
            self.flux.drafts[self.asked.draft] = self.form.draft()
        self.dismiss(None)

    def form_submit(self) -> None:
        """Check here, then let the server judge."""
        if self._sending:
            return
        value, errors = self.form.value()
        self.form.show_errors(errors)
        if not errors:
            self._sending = True
            self.run_worker(self._submit(value), exit_on_error=False)

    async def _submit(self, value: Any) -> None:
        try:
            await self._send(value)
        except InvalidInputError as problem:
            placed = place_all(self.form.form, problem.errors)
            self.form.show_errors(placed or {FORM: problem.message})
        except ConflictError as problem:
            self._forget()
            self.dismiss(None)
            self.flux.note(Span(f"✗ {clean(problem.message)}", "wait"), Span(f"  {clean(problem.hint)}", "dim"))
        except FluxError as problem:
            self.form.show_errors({FORM: f"{problem.message} {problem.hint}".strip()})
        except Exception as problem:
            self.form.show_errors({FORM: f"{type(problem).__name__}: {problem}"})
        else:
            self._forget()
            if self.is_attached and self in self.app.screen_stack:
                self.dismiss(None)
        finally:
            self._sending = False

    def _forget(self) -> None:
        self.flux.drafts.pop(self.asked.draft, None)
