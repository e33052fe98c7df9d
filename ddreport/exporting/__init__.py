"""Exports: tables as files that other programs read, and the two finding formats that security tools share.

`plain` writes CSV, XLSX, JSON lines and Parquet; `ocsf` makes OCSF Compliance Findings and `asff` findings for AWS
Security Hub, both one per problem with an id that lasts. Nothing here reads the archive or calls AWS.
"""
