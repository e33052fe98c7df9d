"""Asking AWS IoT what depends on the resources of findings: certificates, things, groups, policies, connections."""

from ddreport.aws.impact.asking import BATCHES, Asker

__all__ = ["BATCHES", "Asker"]
