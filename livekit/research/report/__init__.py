"""What came of a run: its frames, statistics, figures and report. Layer 3."""
