"""The loop is the layout: sense, diff, gates, decide, admit, act, then beat and pulse."""
