"""``read-core batch``: many videos from one table, by processes of this machine or by Ray."""
