"""Takes one backup of the chain with the service's own backup manager. The image must hold boto3, and psycopg2 for PostgreSQL."""

import json
import os
import sys
import tempfile

sys.path.insert(0, "/app/src")

from backup import BackupManager  # noqa: E402
from storage import get_storage_backend  # noqa: E402

chain = get_storage_backend().load_chain()
# The manager would back up an empty chain, and `latest` would then mean nothing.
if not chain or not chain.get("chain"):
    sys.exit("there is no chain to back up")

source = os.path.join(tempfile.gettempdir(), "chain_data.json")
with open(source, "w", encoding="utf-8") as file:
    json.dump(chain, file)

# Without a kind it chooses daily, weekly or monthly by the date; it reports a failure as None.
if BackupManager(chain_data_file=source).create_backup() is None:
    sys.exit("no backup was taken; the log above says why")
