# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation with the assistant: its turns, and the one that is under way. No bpy here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_FORMAT, _VERSION = "hmvlm-conversation", 1
_ROLES = ("user", "assistant")


@dataclass
class Conversation:
    """messages: as the backend's chat task takes them; `note` adds are not sent to it.

    pending: the user's turn that is being answered, "" for none. When it fails or is cancelled,
    the conversation is as it was before it.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    pending: str = ""

    def ask(self, text: str) -> tuple[dict[str, Any], ...]:
        """Begin a turn; what the backend is sent. ValueError for an empty one, or a second one."""
        text = text.strip()
        if not text:
            raise ValueError("Write something first.")
        if self.pending:
            raise ValueError("The last message is being answered: wait for it, or cancel it.")
        self.pending = text
        sent = [m for m in self.messages if "operator" not in m]
        return (*sent, {"role": "user", "content": text})

    def answer(self, message: Mapping[str, Any], operator: str = "") -> None:
        """The turn's end. operator: what it ran in place of the model, which never sees it."""
        mark = {"operator": operator} if operator else {}
        if self.pending:
            self.messages.append({"role": "user", "content": self.pending} | mark)
        self.messages.append(dict(message) | mark)
        self.pending = ""

    def take_back(self) -> str:
        """Forget the turn under way; its text, to be edited and sent again."""
        text, self.pending = self.pending, ""
        return text

    def clear(self) -> None:
        """A new conversation."""
        self.messages.clear()
        self.pending = ""

    def to_json(self) -> str:
        """The turns, to be saved with the file; "" for none."""
        if not self.messages:
            return ""
        document = {"format": _FORMAT, "version": _VERSION, "messages": self.messages}
        return json.dumps(document, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "Conversation":
        """The inverse. Raises ValueError for anything else, also for turns of another shape."""
        if not text:
            return Conversation()
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise ValueError("not a conversation")
        if document.get("version") != _VERSION:
            raise ValueError(f"a conversation of version {document.get('version')}")
        messages = document.get("messages")
        if not isinstance(messages, list) or not all(map(_is_message, messages)):
            raise ValueError("a conversation with damaged messages")
        return Conversation(messages)


def _is_message(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in _ROLES
        and isinstance(message.get("content"), str)
    )
