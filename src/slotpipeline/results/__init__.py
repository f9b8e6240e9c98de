"""What finished runs left, gathered into small tables, and the published numbers. Never imports torch."""
