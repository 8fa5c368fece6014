"""What a sentence quotes of a stranger's file has bounds, and paths stay whole."""

from __future__ import annotations

from sslskel.errors import DataError


def test_words_longer_than_names_of_files_are_cut() -> None:
    path = "/".join(["", *["folder" * 20] * 4, "c" * 255])
    sentence = f"'{path}' has the field '{'9' * 400}'; write it again"
    assert str(DataError(sentence)) == f"'{path}' has the field '{'9' * 79}...'; write it again"
