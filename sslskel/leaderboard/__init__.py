"""The leaderboard: a table that is a pure function of the records, and its renderers."""

from sslskel.leaderboard.render import print_board, render, write_board
from sslskel.leaderboard.table import Board, build

__all__ = ["Board", "build", "print_board", "render", "write_board"]
