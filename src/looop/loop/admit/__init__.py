"""The admit stage: whether a decided move may happen, must wait for a human, or may not."""
