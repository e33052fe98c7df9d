"""Set-up, the pure part: what is wanted of an account, what is there, and what has to change.

- `desired`: what is wanted, and AWS's tutorial as the default
- `reading`: `[setup]` of a `ddreport.toml` into what is wanted
- `present`: what is there, or why that is not known
- `definitions`: what is wanted, spelled out for one account and Region: ARNs, policies, alarms
- `marks`: the tags by which set-up knows again what it made
- `planning`: the plan, from what is wanted and what is there
- `removal`: the plan for taking away what was made
"""
