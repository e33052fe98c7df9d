"""Set-up of accounts: what is there is read, planned against what is wanted, applied, and taken away again."""
