"""What runs inside a supervisor: the standard library alone, because it must live for weeks."""
