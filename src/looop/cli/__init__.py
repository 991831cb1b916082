"""The command line: parse, call the contract, render; nothing else."""
