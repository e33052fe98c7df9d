"""See, prove and repair the security compliance of IoT fleets audited by AWS IoT Device Defender."""

from ddreport.version import __version__

__all__ = ["__version__"]
