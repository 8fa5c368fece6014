"""The leaderboard: a table that is a pure function of the records, and its renderers."""

from sslskel.leaderboard.build import Board, build_board
from sslskel.leaderboard.formats import form_of, print_board, render, write_board

__all__ = ["Board", "build_board", "form_of", "print_board", "render", "write_board"]
