"""Mitigation from the archive to the account: `plan` makes plans, `approve` has them agreed to."""
