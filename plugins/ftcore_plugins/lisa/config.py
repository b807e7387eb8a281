"""Settings of LISA: how many blocks train at a time, and for how long."""

from typing import Annotated

from pydantic import Field

from ftcore.settings import Settings


class LisaConfig(Settings):
    """Embedding, final norm and head always train; of the blocks, a few that are drawn again every so many steps."""

    blocks: Annotated[int, Field(gt=0)] = 2
    """Decoder blocks that train at a time: more learn faster, and cost more memory."""

    every: Annotated[int, Field(gt=0)] = 5
    """Steps from one draw of blocks to the next."""
