"""What one run is: its recipe, settings, identity, files and cost. Never imports torch."""
