"""How fast the parts of a run are on this machine and how much memory they take, alone or against another way.

Measured times are for people and for ``docs/measured/speed.md``; no run depends on them.
"""

from sslskel.speed.against import AGAINST, speed_against
from sslskel.speed.report import markdown, text
from sslskel.speed.works import WORKS, measure_speed

__all__ = ["AGAINST", "WORKS", "markdown", "measure_speed", "speed_against", "text"]
