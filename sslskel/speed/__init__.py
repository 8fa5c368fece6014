"""How fast and how large the parts of a run are on this machine, alone or against our plainest configuration.

Measured times are for people and for ``docs/measured/speed.md``; nothing here decides how a run is made.
"""

from sslskel.speed.against import AGAINST, speed_against
from sslskel.speed.report import markdown, text
from sslskel.speed.works import WORKS, measure_speed

__all__ = ["AGAINST", "WORKS", "markdown", "measure_speed", "speed_against", "text"]
