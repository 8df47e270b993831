"""A JSON schema as input fields, with the raw JSON behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input, Select, Static, Switch, TextArea

from flux.tui.model.jsonlines import json_text
from flux.tui.model.schema import (
    FORM,
    Entry,
    Field,
    Form,
    Path,
    build,
    check,
    defaults,
    entries_of,
    read_json,
    value_of,
)
from flux.tui.model.text import clean


class SchemaForm(Vertical):
    """Fields for a schema; `value()` is what they stand for.

    Args:
        schema: of the value; None for any JSON.
        value: fills the fields when `has_value`, else the defaults do.
    """

    def __init__(self, schema: Mapping[str, Any] | None, value: Any = None, *, has_value: bool = False) -> None:
        super().__init__()
        self.form: Form = build(schema)
        self._base: Any = value if has_value else None
        self._start = entries_of(self.form, value) if has_value else defaults(self.form)
        self.only_raw = not schema
        self._judged: tuple[bool, str, dict[Path, Entry]] | None = None
        self._raw_text = json_text(value) if has_value else ""

    def compose(self) -> ComposeResult:
        """The fields, and the raw text."""
        with ContentSwitcher(initial="raw-pane" if self.only_raw else "fields"):
            with VerticalScroll(id="fields", can_focus=False):
                group = ""
                for number, item in enumerate(self.form.fields):
                    if item.group != group:
                        group = item.group
                        if group:
                            yield Static(Content(clean(group)), classes="group")
                    yield from self._row(number, item)
            with Vertical(id="raw-pane"):
                yield Static("JSON", markup=False, classes="name")
                yield TextArea(self._raw_text, id="raw", soft_wrap=False, compact=True, tab_behavior="focus")
        yield Static("", id="error-form", classes="error", markup=False)

    def _row(self, number: int, item: Field) -> ComposeResult:
        indent = "inner" if item.group else "outer"
        with Horizontal(classes=f"head {indent}", id=f"head-{number}"):
            yield Static(_name(item), classes="name")
            if item.kind == "boolean":
                yield Switch(bool(self._start[item.path]), id=f"field-{number}", animate=False)
            yield Static(Content(clean(item.description)), classes="description")
        if item.kind != "boolean":
            yield self._widget(number, item, self._start[item.path], indent)
        yield Static("", id=f"error-{number}", classes=f"error {indent}", markup=False)

    @staticmethod
    def _widget(number: int, item: Field, entry: Entry, indent: str) -> Widget:
        name = f"field-{number}"
        if item.kind == "enum":
            options = [(Content(clean(str(choice))), place) for place, choice in enumerate(item.choices)]
            chosen = entry if isinstance(entry, int) and not isinstance(entry, bool) else Select.NULL
            return Select(options, value=chosen, id=name, classes=indent, compact=True, prompt="—")
        text = entry if isinstance(entry, str) else ""
        if item.kind in ("text", "json"):
            area = TextArea(text, id=name, classes=f"{indent} area", compact=True, tab_behavior="focus")
            area.styles.height = 4 if item.kind == "text" else max(3, min(8, text.count("\n") + 1))
            return area
        kind = {"integer": "integer", "number": "number"}.get(item.kind, "text")
        return Input(text, type=kind, id=name, classes=indent, compact=True, select_on_focus=False)  # type: ignore[arg-type]  # one of the three names

    def set_room(self, lines: int) -> None:
        """How many lines there are for the fields."""
        self.query_one("#fields").styles.max_height = lines
        self.query_one("#raw").styles.height = min(lines - 1, 14)
        self.call_after_refresh(self._reveal_focused)

    # values

    @property
    def raw(self) -> bool:
        """Whether the raw text is in front."""
        return self.query_one(ContentSwitcher).current == "raw-pane"

    def entries(self) -> dict[Path, Entry]:
        """What the fields hold."""
        found: dict[Path, Entry] = {}
        for number, item in enumerate(self.form.fields):
            widget = self.query_one(f"#field-{number}")
            match widget:
                case Input():
                    found[item.path] = widget.value
                case TextArea():
                    found[item.path] = widget.text
                case Switch():
                    found[item.path] = widget.value
                case Select():
                    found[item.path] = widget.value if isinstance(widget.value, int) else None
        return found

    def value(self) -> tuple[Any, dict[Path, str]]:
        """The value, and errors by field; raw text is only checked for being JSON: the server judges the rest."""
        if self.raw:
            text = self.query_one("#raw", TextArea).text
            if not text.strip():
                return None, {}
            value, error = read_json(text)
            return value, ({FORM: error} if error else {})
        value, unread = value_of(self.form, self.entries(), self._base)
        errors = check(self.form, value)
        if unread:  # what is missing because it could not be read may break rules of the whole
            errors.pop(FORM, None)
        return value, errors | unread

    def fill(self, value: Any) -> None:
        """Show another value in the fields and in the raw text."""
        self._base = value
        self.query_one("#raw", TextArea).text = json_text(value)
        self._fill_fields(entries_of(self.form, value))

    def _fill_fields(self, entries: Mapping[Path, Entry]) -> None:
        for number, item in enumerate(self.form.fields):
            entry = entries.get(item.path)
            widget = self.query_one(f"#field-{number}")
            match widget:
                case Input():
                    widget.value = entry if isinstance(entry, str) else ""
                case TextArea():
                    widget.text = entry if isinstance(entry, str) else ""
                case Switch():
                    widget.value = bool(entry)
                case Select():
                    widget.value = Select.NULL if entry is None else entry

    def draft(self) -> tuple[bool, str, dict[Path, Entry]]:
        """All that was typed, to be restored later."""
        return self.raw, self.query_one("#raw", TextArea).text, self.entries()

    def restore(self, draft: tuple[bool, str, dict[Path, Entry]]) -> None:
        """Put back what was typed."""
        raw, text, entries = draft
        self.query_one("#raw", TextArea).text = text
        self._fill_fields(entries)
        if raw:
            self.query_one(ContentSwitcher).current = "raw-pane"

    def toggle_raw(self) -> None:
        """The other side, with the same value; what cannot be read stays where it is."""
        if self.only_raw:
            return
        switcher = self.query_one(ContentSwitcher)
        if self.raw:
            text = self.query_one("#raw", TextArea).text
            value, error = read_json(text) if text.strip() else (None, "")
            if error:
                self.show_errors({FORM: error})
                return
            self.show_errors({})
            self._base = value
            self._fill_fields(entries_of(self.form, value))
            switcher.current = "fields"
        else:
            value, errors = value_of(self.form, self.entries(), self._base)
            if errors:
                self.show_errors(errors)
                return
            self.show_errors({})
            self.query_one("#raw", TextArea).text = json_text(value)
            switcher.current = "raw-pane"
        self.focus_first()

    # errors and focus

    def show_errors(self, errors: Mapping[Path, str]) -> None:
        """Each under its field, the rest at the bottom; the first wrong field gets the focus."""
        self._judged = self.draft()
        rest = [text for path, text in errors.items() if path == FORM]
        first: Widget | None = None
        for number, item in enumerate(self.form.fields):
            text = errors.get(item.path, "")
            if text and self.raw:
                rest.append(f"{'.'.join(item.path) or item.label}: {text}")
            widget = self._mark(number, text)
            if text and first is None:
                first = widget
        self._mark_form("; ".join(rest))
        if first is not None and not self.raw:
            first.focus()
            self.call_after_refresh(self._reveal_focused)

    def _mark(self, number: int, text: str) -> Widget:
        label = self.query_one(f"#error-{number}", Static)
        label.update(f"↑ {clean(text)}" if text else "")
        label.set_class(bool(text), "-shown")
        widget = self.query_one(f"#field-{number}")
        widget.set_class(bool(text), "-invalid")
        return widget

    def _mark_form(self, text: str) -> None:
        bottom = self.query_one("#error-form", Static)
        bottom.update(clean(text))
        bottom.set_class(bool(text), "-shown")

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Select.Changed)
    @on(Switch.Changed)
    def _edited(self, event: Input.Changed | TextArea.Changed | Select.Changed | Switch.Changed) -> None:
        """An error is judged anew as soon as its field changes; numbers are judged while they are typed."""
        if self.draft() == self._judged:  # told late of a change the errors in sight are about
            return
        self._judged = None
        self._mark_form("")
        number = _number(event.control)
        if number is None or self.raw:
            return
        item = self.form.fields[number]
        typed = item.kind in ("integer", "number") and isinstance(event.control, Input) and bool(event.control.value)
        if typed or self.query_one(f"#error-{number}").has_class("-shown"):
            self._mark(number, self.value()[1].get(item.path, ""))

    def on_descendant_focus(self) -> None:
        """Another field has the keys."""
        self.call_after_refresh(self._reveal_focused)

    def _reveal_focused(self) -> None:
        """Scroll so that the label, the field and its error are in sight, the label above all."""
        number = _number(self.screen.focused) if self.is_attached else None
        if number is None or self.raw:
            return
        area = self.query_one("#fields", VerticalScroll)
        parts = [self.query_one(f"#{part}-{number}") for part in ("head", "field", "error")]
        regions = [part.virtual_region for part in parts if part.parent is area and part.display]
        top = 0 if number == 0 else regions[0].y
        end = max(region.bottom for region in regions)
        height, now = area.scrollable_content_region.height, round(area.scroll_offset.y)
        if top < now or end - top > height:
            area.scroll_to(y=top, animate=False, immediate=True)
        elif end > now + height:
            area.scroll_to(y=end - height, animate=False, immediate=True)

    def focus_first(self) -> None:
        """Give the keys to the first field."""
        if self.raw:
            self.query_one("#raw", TextArea).focus()
        elif self.form.fields:
            self.query_one("#field-0").focus()


def _name(item: Field) -> Content:
    star = Content.styled(" *", "$warning") if item.required else Content("")
    kind = Content.styled(" json", "$flux-dim") if item.kind == "json" else Content("")
    return Content(clean(item.label)) + star + kind


def _number(widget: Widget | None) -> int | None:
    """Which field an input belongs to."""
    name = (widget.id or "") if widget is not None else ""
    return int(name.removeprefix("field-")) if name.startswith("field-") else None
