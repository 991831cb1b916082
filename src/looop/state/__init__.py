"""The data dir: durable state over plain files, synchronous, knowing nothing of beats."""
