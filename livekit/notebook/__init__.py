"""livekit in a notebook."""
