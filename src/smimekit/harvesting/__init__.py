"""What signed mail teaches, and how it gets into a store: from one message or from a million."""

from smimekit.harvesting.facts import Harvest, Harvested, harvest
from smimekit.harvesting.journal import Journal
from smimekit.harvesting.learning import HarvestReport, Reader, harvest_into, upload_into
from smimekit.harvesting.run import harvest_mailbox

__all__ = [
    "Harvest",
    "HarvestReport",
    "Harvested",
    "Journal",
    "Reader",
    "harvest",
    "harvest_into",
    "harvest_mailbox",
    "upload_into",
]
