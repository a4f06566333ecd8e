"""From PifPaf's maps to part labels: which person is meant, and which part each cell shows."""
