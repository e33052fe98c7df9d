"""What people see: texts, colours, charts and the sections of a report.

Modules: `text` makes hostile strings harmless, `formats` words numbers and states, `palette` and `theme` hold the look,
`charts` and `sections` turn tables into figures and HTML, `report` puts one report together.
"""
