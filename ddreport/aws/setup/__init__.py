"""Set-up at AWS: what is there is read, one change is written."""
