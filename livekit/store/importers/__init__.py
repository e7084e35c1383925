"""From files of other tools and exchanges to recorded data: one module per format."""
