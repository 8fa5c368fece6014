"""Transfer: fine-tuning on another benchmark than the one an encoder was pretrained on.

Where it was pretrained is said by ``--pretrain-on`` or by a checkpoint; how its joints meet
those of the benchmark is ``sslskel.encoders.adapt``'s business.
"""

from __future__ import annotations

from sslskel.protocols.finetune import FineTune


class Transfer(FineTune):
    """Fine-tune, by the same recipe, an encoder that was pretrained on other data.

    Refused on the benchmark of its pretraining. Other protocols judge such encoders too:
    ``--pretrain-on`` goes with each of them.
    """

    elsewhere = True
