"""The archive: everything ever read from AWS, kept in a folder of plain Parquet files that nothing overwrites.

    ARCHIVE/ddreport-archive.json                   format version; whether it holds emulated or real accounts
    ARCHIVE/audits/account=111122223333/region=eu-west-1/month=2026-08/audit_task_id=<id>/
        audit_tasks.parquet checks.parquet findings.parquet related_resources.parquet
        raw.jsonl.zst                               AWS's answers, byte for byte
        set.json                                    row counts, sizes, sha256 of each file; where and when it came from
    ARCHIVE/mitigations/…/mitigation_task_id=<id>/  mitigation_tasks, mitigation_executions
    ARCHIVE/states/…/state=20260302T091500Z/        what was set up, with `observed_time`
    ARCHIVE/inventories/…/inventory=20260302T091500Z/   certificates, things, …, inventory_status
    ARCHIVE/audits/…/month=2026-08/pack=<id>/       audits of a closed month together, after `ddreport archive compact`
    ARCHIVE/manifests/00000001.json                 one per pull, each with the hash of the one before
    ARCHIVE/derived/                                what can be made again from the sets; no evidence

One folder is one set: it appears whole, by one rename, or not at all, and is never changed afterwards. Folder names
are percent-encoded outside of `A-Z a-z 0-9 . _ -`. Every file holds `account` and `region` itself, so that it stands
alone; the folder names only help to skip. Other tools should therefore read the columns from the files:

- DuckDB: `read_parquet('ARCHIVE/audits/*/*/*/*/findings.parquet', hive_partitioning = false)`; with hive partitioning
  on, also set `hive_types_autocast = false`, or account ids become numbers.
- Spark: `spark.sql.sources.partitionColumnTypeInference.enabled=false`.
- pandas: `pd.read_parquet(FILE)`.

`Archive` is the only way in for the rest of `ddreport`. Importing this package loads neither pandas, pyarrow nor
DuckDB.
"""

from ddreport.archive.archive import Archive
from ddreport.archive.layout import SetPlace
from ddreport.archive.sets import StoredSet
from ddreport.archive.verification import Verification, verify

__all__ = ["Archive", "SetPlace", "StoredSet", "Verification", "verify"]
