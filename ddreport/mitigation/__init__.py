"""Mitigation: the pure core. Tables in, tables and plans out; nothing here calls AWS or writes to an account.

The way of the data: `selection` picks findings, `planning` decides what is done to each and in which wave,
`expected` says what that would change, and all of it is a `plan.Plan` under a digest, which `plan_file` writes for
people to read. `approval` binds a person's agreement to the digest. `waves` cuts a plan into AWS's mitigation tasks.

What a plan rests on: `actions` are AWS's stored definitions of what may be done (the six types) in words, and which fit
a check; `action_rules` and `defaults` say what AWS allows in one and what its tutorial makes; `roles` whom the role of
one trusts and what it may do; `impact` tells the things, certificates, groups and policies behind a finding.
"""
