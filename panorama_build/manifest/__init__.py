"""panorama.yaml: its words, how it is read, and what it means."""
