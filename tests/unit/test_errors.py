"""What an error says by itself is fit for whoever caused it."""

from __future__ import annotations

from gateway import errors


def every(kind: type[errors.CrossdockError]) -> list[type[errors.CrossdockError]]:
    return [kind, *(deep for sub in kind.__subclasses__() for deep in every(sub))]


def test_messages_are_whole_sentences_without_words_for_programmers() -> None:
    for kind in every(errors.CrossdockError):
        if kind.__module__ != errors.__name__ or kind is errors.DocumentErrors:
            continue
        message = kind().message
        assert message.endswith("."), kind
        assert "Details" not in message
        assert "`" not in message
