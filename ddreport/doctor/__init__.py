"""Is an account fit to be audited, and may we look? Pure: facts in, verdicts out; and the permissions of each use."""
