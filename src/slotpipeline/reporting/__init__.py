"""Tables, figures, pages and the state of a grid. Never imports torch."""
