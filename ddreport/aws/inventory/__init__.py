"""The inventory: all that AWS IoT holds in one account and Region; planned, read within AWS's rates, resumable."""

from ddreport.aws.inventory.fetch import fetch_inventory
from ddreport.aws.inventory.journal import Journal
from ddreport.aws.inventory.known import KnownInventory
from ddreport.aws.inventory.plan import InventoryCounts, InventoryPlan, PlannedCalls, duration, plan_calls
from ddreport.aws.inventory.what import TABLES

__all__ = [
    "TABLES",
    "InventoryCounts",
    "InventoryPlan",
    "Journal",
    "KnownInventory",
    "PlannedCalls",
    "duration",
    "fetch_inventory",
    "plan_calls",
]
