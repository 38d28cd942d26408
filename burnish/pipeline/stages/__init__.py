"""The stages of the main job, one file each: `(work) -> result`, stored in the ledger as it is."""
